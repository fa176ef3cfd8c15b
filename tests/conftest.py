"""Configure Hypothesis, and forget learned model capabilities between tests."""

import gc
import sys
import warnings
from collections.abc import Generator
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
def close_clients() -> None:
    """Close the clients that this test leaves open.

    Each command and each `asyncio.run` has its own event loop; a client that outlives it would warn in a later test.
    """


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Close clients after the fixtures: log records hold a test's exception, and with it a client, until then.

    After other tests, clients are closed when the next test is in another file.
    """
    result = yield
    is_last_of_file = nextitem is None or nextitem.path != item.path
    if is_last_of_file or "close_clients" in getattr(item, "fixturenames", ()):
        _close_clients()
    return result


def _close_clients() -> None:
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
