"""The tiny language model that this repository trains."""
