"""What a critique is worth: helpfulness; one file a score."""
