"""Train critics on a real language model that runs on a CPU."""
