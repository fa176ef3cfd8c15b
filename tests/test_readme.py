"""The README's tree is the one on disk and its picture LangGraph's own; its code is run by test_pages.py."""

import re
from pathlib import Path

from selfcritic.graphs.self_critique import graph

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SHOWN = ("agent", "graphs", "prompts", "examples")


def test_the_tree_is_the_one_on_disk():
    tree = re.search(r"<!-- tree -->\n```text\n(.*?)```", README, re.DOTALL)
    assert tree is not None
    listed: set[str] = set()
    folder: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folder = [*folder[:depth], name.rstrip("/")]
        listed |= {"/".join(folder)} if not name.endswith("/") else set()
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for room in SHOWN
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", ".md") and path.name != "__init__.py" and "__pycache__" not in path.parts
    }
    assert listed == on_disk


def test_the_picture_is_the_one_that_langgraph_draws():
    picture = re.search(r"^```mermaid\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert picture is not None
    assert picture[1].strip() == graph.get_graph().draw_mermaid().strip()
