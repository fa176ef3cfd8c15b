"""Build the documentation site and check that its pages work offline."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]+>"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref=[\"']?(?:https?:)?//[^>]+>"
)


@pytest.mark.slow
def test_pages_load_nothing_from_other_hosts(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    pages = {page.name: page.read_text("utf-8") for page in tmp_path.glob("*.html")}
    assert "index.html" in pages
    for name, html in pages.items():
        assert not LOADED.findall(html), name
        assert 'class="mermaid"' not in html, f"{name}: the theme loads Mermaid from another host"


@pytest.mark.parametrize(
    ("html", "is_external"),
    [
        ('<script src="https://cdn.example/x.js"></script>', True),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', True),
        ('<img alt="" src="http://example.org/x.png">', True),
        ('<script src="assets/x.js"></script>', False),
        ('<link rel="stylesheet" href="assets/x.css">', False),
        ('<a href="https://arxiv.org/abs/2310.01798">a paper</a>', False),
    ],
)
def test_pattern_matches_loaded_files_but_not_links(html: str, is_external: bool):
    assert bool(LOADED.search(html)) == is_external
