"""The example of a model for each role: the careless writer's draft is mended by the others."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "models_per_role.py"


def test_each_role_has_its_model():
    printed = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True).stdout
    first, *_, last = re.findall(r"'([^']*)'", printed)
    assert first != last == "apple, fig, kiwi, lime, pear"
    assert set(re.findall(r"^  (\w+) +\d+ calls$", printed, re.MULTILINE)) == {
        *("generator", "judge", "critic", "refiner")
    }
    assert "not graded by itself" in printed


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40
