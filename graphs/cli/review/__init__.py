"""`selfcritic review`: comments on files and diffs."""
