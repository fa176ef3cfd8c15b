"""The commands of `selfcritic`, one file each."""
