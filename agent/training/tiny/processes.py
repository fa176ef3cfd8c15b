"""Start processes beside the training."""

import multiprocessing
from typing import Any

_PRELOADED = "selfcritic.agent.training.tiny.stream"


def create_context() -> Any:
    """Return a context whose processes start fast and do not inherit the GPU's state."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context
