"""Send requests to models: sampling, retries, budget and rate limits."""
