"""Read and write JSON files of other tools."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfcritic.agent.data.readers.rows import read_rows


def write_json(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a file by rows: one line each if it ends with .jsonl, else a JSON array.

    An interrupted write leaves the old file.
    """
    if path.suffix.lower() == ".jsonl":
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        text = json.dumps(rows, indent=2) + "\n"
    temporary = path.with_name(f"{path.name}.partial")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> list[Mapping[str, Any]]:
    """Read a JSON array of objects, or JSON Lines.

    Raises:
        InputError: The file is missing, empty or invalid.
    """
    return [row.values for row in read_rows(path)]
