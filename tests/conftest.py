"""Configure Hypothesis, and forget learned model capabilities between tests."""

import gc
import sys
import warnings
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings

from selfcritic.agent.models import normalize
from selfcritic.agent.sampling import capabilities

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _forget_capabilities() -> None:
    """Forget what earlier tests learned about models: fake providers reuse names and ports."""
    capabilities.forget_all()
    normalize.forget_all()


@pytest.fixture
def close_clients() -> Iterator[None]:
    """Close the clients of commands that ran in this process.

    Each command has its own event loop; a client that outlives it would warn in a later test.
    """
    yield
    litellm = sys.modules.get("litellm")
    if litellm is None:
        return
    litellm.in_memory_llm_clients_cache.flush_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    _freeze_imports()


@cache
def _freeze_imports() -> None:
    """Leave litellm's many objects out of later collections, which would take half a second each."""
    gc.freeze()
