"""Mark finished stages, and refuse to resume one with other options; explain memory errors."""

import hashlib
import json
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.memory import is_memory_error
from selfcritic.agent.training.processes import count_processes, is_main_process, lock_folder
from selfcritic.agent.training.stage_files import (
    DONE_FILE,
    OPTIONS_FILE,
    find_outputs,
    read_object,
    write_json,
)

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


def begin_stage(
    out: Path,
    options: Mapping[str, Any],
    outputs: Sequence[str] = (),
    other_outputs: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Lock the folder of a stage and write its options; return its results if it is finished.

    Call it after all checks that need no weights: the options then belong to the folder.

    Raises:
        InputError: As for `find_results`, or another process trains in the folder.
    """
    results = find_results(out, options, outputs, other_outputs)
    if results is not None:
        return results
    out.mkdir(parents=True, exist_ok=True)
    if is_main_process():
        lock_folder(out)
        # Another training may have run in the folder since the first check.
        results = find_results(out, options, outputs, other_outputs)
        if results is None:
            write_json(out / OPTIONS_FILE, _to_json(options))
    return results


def find_results(
    out: Path,
    options: Mapping[str, Any],
    outputs: Sequence[str] = (),
    other_outputs: Sequence[str] = (),
) -> dict[str, Any] | None:
    """Return the results of a stage, None if it is not finished; writes nothing.

    Args:
        out: Folder of the stage.
        options: Options that must be those of the folder, once it has results or checkpoints.
        outputs: Files and folders of a finished stage.
        other_outputs: Files that the stage also writes, such as a plot.

    Raises:
        InputError: The folder has a training with other options, files that no training wrote, or damaged files.
    """
    # Outputs before options: another process writes the options first.
    written = find_outputs(out, [*outputs, *other_outputs])
    path = out / OPTIONS_FILE
    if path.exists():
        saved = _read_options(path)
        if written:
            _check_options(out, saved, _to_json(options))
    elif written:
        raise InputError(
            f"--out {out} has files that no training wrote ({', '.join(written)}). Choose another folder."
        )
    done = out / DONE_FILE
    if not done.exists():
        return None
    results = read_object(done, f"Delete it and rerun the command to finish {out}.")
    for name in outputs:
        if not (out / name).exists():
            raise InputError(
                f"{out} has finished, but '{name}' is missing. Delete '{done}' and rerun the command to write it again."
            )
    return results


def _to_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as they are read back."""
    copied: dict[str, Any] = json.loads(json.dumps({"processes": count_processes(), **options}))
    return copied


def _read_options(path: Path) -> dict[str, Any]:
    saved = read_object(path, "Use another --out.")
    if "processes" not in saved and "base" not in saved:
        raise InputError(f"'{path}' has no options of a training. Use another --out.")
    return saved


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
