"""Mark finished stages, and refuse to resume one with other options; explain memory errors."""

import hashlib
import json
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.memory import is_memory_error
from selfcritic.agent.training.processes import count_processes, is_main_process, lock_folder

OPTIONS_FILE = "options.json"
DONE_FILE = "done.json"
MODEL_FOLDER = "model"
ADAPTER_FOLDER = "adapter"
_TITLES = {
    "processes": "the number of processes",
    "reward_hash": "the hash of --reward",
    "records_hash": "the hash of the records in --data",
    "examples_hash": "the hash of the examples from --data",
    "pairs_hash": "the hash of the pairs from --data",
    "base": "--base",
}
"""Options that are not named like their fields."""


class OutOfMemory(InputError):  # noqa: N818 - what happened, in the user's words
    """A stage does not fit in memory; the message names the options to lower."""


def begin_stage(out: Path, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Prepare the folder of a stage; return its results if it is finished.

    Raises:
        InputError: The folder has a training with other options, or another process trains in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    current = json.loads(json.dumps({"processes": count_processes(), **options}))
    path = out / OPTIONS_FILE
    if path.is_file():
        _check_options(out, json.loads(path.read_text(encoding="utf-8")), current)
    done = out / DONE_FILE
    if done.is_file():
        results: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return results
    if is_main_process():
        lock_folder(out)
        write_json(path, current)
    return None


def _check_options(out: Path, saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    saved = {"processes": 1, **saved}
    for name in [*saved, *current]:
        if saved.get(name) != current.get(name):
            title = _TITLES.get(name, name)
            raise InputError(
                f"{out} has a training with other options: {title} was {saved.get(name)!r} and is now "
                f"{current.get(name)!r}. Use the same options to resume, or another --out."
            )


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


@contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Raise OutOfMemory instead of an error about memory; also a decorator."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_memory_error(error):
            raise
        # Frees the tensors of the failed step: the message needs memory, too.
        traceback.clear_frames(error.__traceback__)
        raise OutOfMemory(
            "Memory ran out. Lower --batch-size (and raise --accumulate by the same factor) or --max-length, set "
            "--gradient-checkpointing, or train adapters with --lora-rank 16, and use another --out, because these "
            "options belong to the training. With more free memory, the same command resumes. "
            f"({str(error)[:120]})"
        ) from error
