"""Tests of the printed results of training stages."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from selfcritic.graphs.cli.train.results import print_policy


@pytest.mark.parametrize(("kept", "is_start"), [("start", True), ("last", False)])
def test_names_the_start_only_if_it_was_kept(kept: str, is_start: bool):
    row = {"truth": 0.5, "proxy": -1.0, "length": 9.0}
    results = {"steps": 4, "best_step": 0, "kept": kept, "stopped_early": False}
    results |= {"start": row, "best": row, "end": row}
    console = Console(file=io.StringIO(), width=120)
    print_policy(results, console, Path("out"))
    assert isinstance(console.file, io.StringIO)
    assert ("the start was kept" in console.file.getvalue()) is is_start
