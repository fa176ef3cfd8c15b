"""The state machines, and the ways to run them."""

from selfcritic.graphs.batch import run_batch
from selfcritic.graphs.best_of_n import create_best_of_n
from selfcritic.graphs.self_critique import create_self_critique

__all__ = ["create_best_of_n", "create_self_critique", "run_batch"]
