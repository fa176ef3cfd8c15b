"""Training of critic models."""
