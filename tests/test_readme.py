"""Test the README (length, graph, demo table, links) and the code map."""

import re
from pathlib import Path

from selfcritic.graphs.self_critique import graph
from tests.support import code_map

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")
MAX_README_LINES = 180


def demo_table(page: str) -> str:
    match = re.search(r"<!-- demo -->\n(.*?)<!-- /demo -->", page, re.DOTALL)
    assert match is not None
    return match[1]


def test_readme_is_short():
    assert len(README.splitlines()) <= MAX_README_LINES


def test_readme_diagram_matches_the_graph():
    diagram = re.search(r"^```mermaid\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert diagram is not None
    assert diagram[1].strip() == graph.get_graph().draw_mermaid().strip()


def test_readme_and_results_show_the_same_demo_table():
    assert demo_table(README) == demo_table(RESULTS)


def test_readme_links_to_existing_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert links
    assert missing == []


def test_code_map_matches_the_disk():
    assert code_map.PAGE.read_text("utf-8") == code_map.page(), (
        "run `python -m tests.support.code_map`"
    )
