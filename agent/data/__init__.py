"""Records of critic data, and readers of other tools' formats."""
