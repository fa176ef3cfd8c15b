"""Fixtures of the tests that train models."""

import pytest

from tests.support.small_llama import INSTALL


@pytest.fixture(scope="session")
def requires_trl() -> None:
    """Skip tests without the training libraries."""
    for name in ("torch", "transformers", "trl", "peft", "datasets"):
        pytest.importorskip(name, reason=INSTALL)
