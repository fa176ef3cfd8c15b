"""Run a graph over a dataset."""

from selfcritic.graphs.batch.run import run_batch

__all__ = ["run_batch"]
