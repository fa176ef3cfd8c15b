"""Graph nodes: the steps of the loop, the search and the review."""
