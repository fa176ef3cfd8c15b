"""Mark finished stages, and refuse to resume one with other options."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError, SelfcriticError

OPTIONS_FILE = "options.json"
DONE_FILE = "done.json"
MODEL_FOLDER = "model"
ADAPTER_FOLDER = "adapter"


class OutOfMemory(SelfcriticError):  # noqa: N818 - what happened, in the user's words
    """Training did not fit in memory; the message names what to lower."""


def begin_stage(out: Path, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Prepare the folder of a stage; return its results if it is finished.

    Raises:
        InputError: The folder has a training with other options.
    """
    out.mkdir(parents=True, exist_ok=True)
    current = json.loads(json.dumps(dict(options)))
    path = out / OPTIONS_FILE
    if path.is_file():
        saved = json.loads(path.read_text(encoding="utf-8"))
        for name in [*saved, *current]:
            if saved.get(name) != current.get(name):
                raise InputError(
                    f"{out} has a training with other options: {name} was {saved.get(name)!r} and is now "
                    f"{current.get(name)!r}. Use the same options to resume, or another --out."
                )
    elif os.environ.get("RANK", "0") == "0":  # of several processes, one writes
        write_json(path, current)
    done = out / DONE_FILE
    if not done.is_file():
        return None
    results: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return results


def hash_items(items: Iterable[object]) -> str:
    """Return a short hash of the data of a stage: a stage of other data is not resumed."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item!r}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]


def finish_stage(out: Path, results: Mapping[str, Any]) -> None:
    """Mark a stage as finished."""
    write_json(out / DONE_FILE, results)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file at once: an interrupted write leaves the old file."""
    temporary = path.with_name(f"{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def explain_memory_error(error: RuntimeError) -> OutOfMemory | None:
    """Return what to lower if an error is about memory, else None."""
    is_memory = type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)
    if not is_memory:
        return None
    return OutOfMemory(
        "Memory ran out. Lower --batch-size (and raise --accumulate by the same factor) or --max-length, set "
        "--gradient-checkpointing, or train adapters with --lora-rank 16. Then rerun the command with another --out, "
        f"because these options belong to the training. ({str(error)[:120]})"
    )
