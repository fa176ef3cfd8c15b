"""Run causal models in a transformers folder: trained critics, adapters and their bases (extra `train`)."""
