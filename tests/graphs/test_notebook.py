"""The loop in a Jupyter kernel, whose cells run inside an event loop."""

import asyncio
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

SETUP = """
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model="simulated?draft_error_rate=0&false_alarm_rate=0").compile()
question = {"question": "What is 128 + 256?"}
"""
CELLS = {
    "import asyncio\nprint(asyncio.get_running_loop().is_running())": "True\n",
    SETUP: "",
    "print(graph.invoke(question)['answer'])": "384\n",
    "print((await graph.ainvoke(question))['answer'])": "384\n",
    "print([list(part) for part in graph.stream(question)])": "[['generate'], ['classify']]\n",
    "async for part in graph.astream(question):\n    print(*part)": "generate\nclassify\n",
    "print([out['answer'] for out in graph.batch([question, question])])": "['384', '384']\n",
    "runs = [graph.ainvoke(question) for _ in range(20)]": "",
    "print({out['answer'] for out in await asyncio.gather(*runs)})": "{'384'}\n",
}


@pytest.mark.slow
def test_sync_and_async_calls_work_in_a_cell(tmp_path: Path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}})
    asyncio.run(client.async_execute())
    printed: list[str] = []
    for cell in notebook.cells:
        printed.append("".join(output.get("text", "") for output in cell.outputs))
    assert printed == list(CELLS.values())
