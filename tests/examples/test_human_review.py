"""The terminal example, with a person's typing on its standard input."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "human_review.py"


def review(typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=typed, check=False)


def test_what_is_typed_is_done_and_written_down(tmp_path: Path):
    typed = ["search 9", "remove 1", "edit 2", "[b]Not sorted[/x]", "add", "plum, plum", "Twice.", "remove x", "refine"]
    done = review("\n".join(typed) + "\n", str(tmp_path / "labels.jsonl"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 removed: »" in done.stdout
    assert "2 edited: »pear« [b]Not sorted[/x]" in done.stdout
    assert "4 added: »plum, plum« Twice." in done.stdout
    assert "actions.0.remove.id" in done.stdout
    assert "The answer is now: " in done.stdout
    [row] = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [label["action"] for label in row["labels"]] == ["removed", "edited", "kept", "added"]
    assert row["decision"] == "refine"


def test_accepted_at_once_the_answer_stays():
    done = review("accept\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("The answer is now: pear, plum, plum\n")


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40
