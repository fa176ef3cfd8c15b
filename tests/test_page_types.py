"""Check the Python blocks of the README and docs/ with `mypy --strict`, as a user's editor does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_pages import PAGES, ROOT, blocks


def join_blocks(page: Path) -> str:
    """Return the Python blocks of a page as one module, on the lines of the page."""
    lines: list[str] = []
    for block in blocks(page, "python"):
        lines += [""] * (block.line - len(lines))
        lines += block.code.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_blocks_pass_mypy(tmp_path: Path):
    for page in PAGES:
        if blocks(page, "python"):
            (tmp_path / f"{page.stem.lower()}.py").write_text(join_blocks(page), "utf-8")
    modules = sorted(path.name for path in tmp_path.glob("*.py"))
    command = [
        *(sys.executable, "-m", "mypy", "--strict", "--config-file="),
        *("--allow-redefinition-new", "--local-partial-types", "--follow-imports=silent"),
        *(
            "--python-executable",
            sys.executable,
            "--cache-dir",
            str(ROOT / ".mypy_cache" / "pages"),
        ),
    ]
    process = subprocess.run(
        [*command, *modules],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "typings"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
