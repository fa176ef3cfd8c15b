"""The parsers of untrusted text hold up to a minute of fuzzing."""

import pytest

from tests.fuzz import targets
from tests.fuzz.__main__ import fuzz

SECONDS = 60.0


@pytest.mark.slow
def test_one_minute_of_fuzzing_finds_nothing():
    counts, failures = fuzz(list(targets.TARGETS), SECONDS)
    assert not failures, "\n\n".join(failures.values())
    assert min(counts.values()) > 0


def test_reports_a_failing_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(targets, "is_diff", lambda *_: 1 / 0)
    counts, failures = fuzz(["diffs", "decisions"], 0, first_seed=1)
    assert list(failures) == ["diffs"]
    assert "ZeroDivisionError" in failures["diffs"]
    assert "seed 1" in failures["diffs"]
    assert set(counts) == {"diffs", "decisions"}
