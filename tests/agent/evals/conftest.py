"""Fixtures for the tests of measuring."""

import pytest

from selfcritic.agent.evals.measures import intervals


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer bootstrap samples: the tests check values, and intervals only roughly."""
    monkeypatch.setattr(intervals, "RESAMPLES", 100)
