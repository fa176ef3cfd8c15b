"""Write docs/code_map.md: every source file with the first line of its docstring.

python -m tests.support.code_map
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "code_map.md"
FOLDERS = ("agent", "graphs", "prompts", "examples")
COLUMN = 34
INTRODUCTION = """\
# Code map

Every folder and module of the package and the examples, with the first line of its docstring. `.md` files are listed
by name. `tests/` mirrors these folders. `typings/` holds links that only type checkers use. After adding or renaming a
file, run `python -m tests.support.code_map`.
"""


def page() -> str:
    """Return the page for the files that are on disk."""
    lines = [line for folder in FOLDERS for line in _folder(ROOT / folder, depth=0)]
    return "\n".join([INTRODUCTION, "```text", *lines, "```", ""])


def _folder(folder: Path, depth: int) -> Iterator[str]:
    entries = sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name))
    sources = [
        path for path in entries if path.suffix in (".py", ".md") and path.name != "__init__.py"
    ]
    folders = [path for path in entries if path.is_dir() and any(path.rglob("*.[pm][yd]"))]
    yield _line(folder.name + "/", _summary(folder / "__init__.py"), depth)
    for path in sources:
        yield _line(path.name, _summary(path), depth + 1)
    for path in folders:
        yield from _folder(path, depth + 1)


def _line(name: str, summary: str, depth: int) -> str:
    indented = "  " * depth + name
    return f"{indented:<{COLUMN}}{summary}".rstrip()


def _summary(path: Path) -> str:
    if path.suffix != ".py" or not path.exists():
        return ""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
