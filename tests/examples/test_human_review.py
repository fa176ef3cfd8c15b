"""Run the human review example with typed input."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "human_review.py"


def run_example(typed: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLE), *arguments]
    stdin = "\n".join(typed) + "\n"
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


def test_applies_the_typed_actions_and_saves_the_labels(tmp_path: Path):
    labels = tmp_path / "labels.jsonl"
    typed = ["search_again", "9", "remove", "1", "edit", "2", "[b]Not sorted[/x]"]
    typed += ["add", "plum, plum", "Twice.", "remove", "x", "refine"]
    process = run_example(typed, str(labels))
    assert (process.returncode, process.stderr) == (0, "")
    assert "1 removed: »" in process.stdout
    assert "2 edited: »pear« [b]Not sorted[/x]" in process.stdout
    assert "4 added: »plum, plum« Twice." in process.stdout
    assert "actions.0.remove.id" in process.stdout  # the error for "remove x"
    assert "Final answer: " in process.stdout
    [row] = [json.loads(line) for line in labels.read_text().splitlines()]
    assert [label["action"] for label in row["labels"]] == ["removed", "edited", "kept", "added"]
    assert row["decision"] == "refine"


def test_accept_keeps_the_answer():
    process = run_example(["accept"])
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.endswith("Final answer: pear, plum, plum\n")


def test_ctrl_d_ends_the_review():
    process = run_example(["keep", "1"])
    assert process.returncode == 1
    assert process.stderr == "\nThe review ended without a decision.\n"
