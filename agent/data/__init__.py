"""Task families with oracles."""
