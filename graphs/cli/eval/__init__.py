"""The commands of `selfcritic eval`."""
