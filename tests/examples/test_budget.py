"""The example of a budget: it ends where the budget does, and comes back with its best draft."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "budget.py"


def test_it_stops_at_its_budget_with_a_draft():
    printed = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True).stdout
    assert "stopped for: budget, after 15 calls" in printed
    assert sum(int(calls) for calls in re.findall(r"(\d+) calls, ", printed)) == 15
    assert re.search(r"the best draft so far: \d+ ", printed)


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40
