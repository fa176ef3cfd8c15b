"""Compare the README's picture with the graph and docs/code_map.md with the disk."""

import re
from pathlib import Path

from selfcritic.graphs.self_critique import graph
from tests.support import code_map

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_code_map_matches_the_disk():
    assert code_map.PAGE.read_text("utf-8") == code_map.page(), "run `python -m tests.support.code_map`"


def test_the_picture_is_the_one_that_langgraph_draws():
    picture = re.search(r"^```mermaid\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert picture is not None
    assert picture[1].strip() == graph.get_graph().draw_mermaid().strip()
