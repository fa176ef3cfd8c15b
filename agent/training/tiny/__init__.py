"""Training of the tiny model from scratch."""
