"""Test the README (length, table, links), the picture of the graph and the code map."""

import re
from pathlib import Path

from tests.support import code_map, loop_picture

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")
MAX_README_LINES = 180


def recorded_table(page: str) -> str:
    match = re.search(r"<!-- recorded -->\n(.*?)<!-- /recorded -->", page, re.DOTALL)
    assert match is not None
    return match[1]


def test_readme_is_short():
    assert len(README.splitlines()) <= MAX_README_LINES


def test_picture_matches_the_graph():
    assert loop_picture.PICTURE.read_text("utf-8") == loop_picture.picture(), (
        "run `python -m tests.support.loop_picture`"
    )


def test_readme_and_results_show_the_same_recorded_table():
    assert recorded_table(README) == recorded_table(RESULTS)


def test_readme_links_to_existing_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    missing = [link for link in links if not (ROOT / link).exists()]
    assert links
    assert missing == []


def test_code_map_matches_the_disk():
    assert code_map.PAGE.read_text("utf-8") == code_map.page(), (
        "run `python -m tests.support.code_map`"
    )
