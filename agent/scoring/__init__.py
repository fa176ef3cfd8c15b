"""Score critiques: helpfulness, evidence, reward models and weighted sums."""
