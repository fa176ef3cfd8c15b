"""Critiques: their text format, quote locations and selection."""
