"""The word-list model trained by this repository."""
