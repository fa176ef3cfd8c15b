"""The notebook, executed from beginning to end: its outputs are of the kinds that were committed with it."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Of each code cell, what its outputs are: printed text, or the formats of what is shown."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[output.get("name") or "|".join(sorted(output.data)) for output in cell.outputs] for cell in cells]


@pytest.mark.slow
def test_it_runs_and_shows_what_was_committed_with_it():
    committed = nbformat.read(NOTEBOOK, as_version=4)
    executed = NotebookClient(nbformat.read(NOTEBOOK, as_version=4), timeout=None).execute()
    assert kinds(executed) == kinds(committed)
    assert sum("image/png" in kind for outputs in kinds(committed) for kind in outputs) == 3


def test_it_is_small():
    assert NOTEBOOK.stat().st_size < 150_000
