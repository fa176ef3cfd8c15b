"""Measures of critics: pure functions from records to values with intervals."""
