"""Prove that every measure recovers planted rates, with intervals that cover them."""
