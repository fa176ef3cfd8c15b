"""Execute the notebook and compare its output types with the committed ones."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
MAX_BYTES = 150_000


def output_types(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return the stream names or MIME types of each code cell's outputs."""
    result = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            types = [output.get("name") or "|".join(sorted(output.data)) for output in cell.outputs]
            result.append(types)
    return result


@pytest.mark.slow
def test_notebook_runs_and_shows_the_committed_outputs():
    committed = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        nbformat.read(NOTEBOOK, as_version=4), timeout=None, coalesce_streams=True
    )
    executed = client.execute()
    assert output_types(executed) == output_types(committed)
    images = [name for types in output_types(committed) for name in types if "image/png" in name]
    assert len(images) == 3


def test_notebook_is_small():
    assert NOTEBOOK.stat().st_size < MAX_BYTES
