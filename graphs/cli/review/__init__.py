"""`selfcritic review`: documents in, findings out."""
