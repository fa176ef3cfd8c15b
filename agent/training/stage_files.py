"""Read and write the files of a stage's folder, and explain damaged files and a full disk."""

import errno
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from selfcritic.agent.errors import InputError

OPTIONS_FILE = "options.json"
DONE_FILE = "done.json"
MODEL_FOLDER = "model"
ADAPTER_FOLDER = "adapter"
PARTIAL_FOLDER = "model.partial"
CHECKPOINTS = "checkpoints"
_OUTPUTS = (DONE_FILE, MODEL_FOLDER, ADAPTER_FOLDER, PARTIAL_FOLDER, CHECKPOINTS)
"""What several stages write after their options."""
_FULL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_DISK_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "unexpected pos",  # torch, after a write that the disk did not take
    "PytorchStreamWriter failed",
)


def find_outputs(out: Path, own: Iterable[str] = ()) -> list[str]:
    """Return the names in a folder that a stage would overwrite; empty folders do not count.

    Args:
        out: Folder of the stage.
        own: Other files that this stage writes, such as its report.
    """
    names = []
    for name in dict.fromkeys([*_OUTPUTS, *own]):
        path = out / name
        if path.is_file() or _has_files(path):
            names.append(name)
    return names


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != ".gitkeep" for path in folder.iterdir())


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: The file is damaged or empty; the message ends with the remedy.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"'{path}' cannot be read ({error}). {remedy}") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"'{path}' is damaged: it has no JSON object with content. {remedy}")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file at once: an interrupted write leaves the old file."""
    temporary = path.with_name(f"{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def explain_file_errors(folder: str = "--out") -> Iterator[None]:
    """Raise InputError for a full disk and for damaged weights; also a decorator.

    Args:
        folder: The option or argument that names the folder.
    """
    try:
        yield
    except weight_errors() as error:
        summary = str(error)[:120]
        if is_disk_error(error):
            raise InputError(
                f"The disk of {folder} is full. Free space and rerun the command to resume. ({summary})"
            ) from error
        if type(error).__name__ == "SafetensorError":
            raise InputError(
                f"A file of weights in {folder} is damaged. Use another {folder}. ({summary})"
            ) from error
        raise


def is_disk_error(error: Exception) -> bool:
    """Whether a file could not be written because its disk is full, by the errors of Python, torch and safetensors."""
    is_known = isinstance(error, OSError) and error.errno in _FULL_DISK_ERRORS
    return is_known or any(text in str(error) for text in _FULL_DISK_TEXTS)


def weight_errors() -> tuple[type[Exception], ...]:
    """Return the errors of files of weights that are damaged or cannot be written."""
    errors: list[type[Exception]] = [OSError, ValueError, EOFError, RuntimeError]
    errors += [UnpicklingError, zipfile.BadZipFile]
    safetensors = sys.modules.get("safetensors")
    if safetensors is not None:
        errors.append(safetensors.SafetensorError)
    return tuple(errors)
