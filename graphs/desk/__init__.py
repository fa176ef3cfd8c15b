"""Serve the review desk: a web page to review, rate and compare critiques."""
