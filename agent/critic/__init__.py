"""Parse critiques, locate their quotes, and select the best ones."""
