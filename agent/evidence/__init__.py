"""What tools know of an answer; the sandbox that runs text as code."""
