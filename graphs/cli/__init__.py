"""Commands of `selfcritic`, one module each."""
