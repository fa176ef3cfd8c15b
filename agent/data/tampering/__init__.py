"""Insert bugs into correct answers, and collect natural ones."""
