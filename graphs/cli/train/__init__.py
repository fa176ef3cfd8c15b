"""The commands of `selfcritic train`."""
