"""Train the tiny model."""
