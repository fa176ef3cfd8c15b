"""Measure critics: measures, reports and comparisons."""
