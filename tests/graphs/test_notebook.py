"""The loop in a Jupyter notebook, whose cells run inside an event loop: a real kernel each."""

import asyncio
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

MADE = """
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model="simulated?draft_error_rate=0&false_alarm_rate=0").compile()
asked = {"question": "What is 128 + 256?"}
"""
CELLS = {
    "import asyncio\nprint(asyncio.get_running_loop().is_running())": "True\n",
    MADE: "",
    "print(graph.invoke(asked)['answer'])": "384\n",
    "print((await graph.ainvoke(asked))['answer'])": "384\n",
    "print([list(part) for part in graph.stream(asked)])": "[['generate'], ['classify']]\n",
    "async for part in graph.astream(asked):\n    print(*part)": "generate\nclassify\n",
    "print([out['answer'] for out in graph.batch([asked, asked])])": "['384', '384']\n",
    "print({out['answer'] for out in await asyncio.gather(*[graph.ainvoke(asked) for _ in range(20)])})": "{'384'}\n",
}


def test_every_way_to_run_works_in_a_cell(tmp_path: Path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}})
    asyncio.run(client.async_execute())
    printed: list[Any] = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    assert printed == list(CELLS.values())
