"""Find the checkpoint that a stage resumes from, and skip damaged ones."""

import json
import zipfile
from pathlib import Path

from selfcritic.agent.training.processes import count_processes
from selfcritic.agent.training.stage_files import CHECKPOINTS, weight_errors

STATE_FILE = "trainer_state.json"
"""The file that transformers writes last."""
_TORCH_SUFFIXES = (".pt", ".pth", ".bin")


def find_checkpoint(out: Path) -> Path | None:
    """Return the newest whole checkpoint of a stage, None without one.

    Raises:
        OSError: A file of a checkpoint cannot be read now.
    """
    for checkpoint in _list_checkpoints(out):
        if is_whole(checkpoint):
            return checkpoint
    return None


def discard_damaged(out: Path) -> list[str]:
    """Mark checkpoints with damaged files as incomplete; return their names.

    Training overwrites them later. Killed meanwhile, it must not resume from a mix of old and new files. Only the
    state file is renamed: an intact best model can still be loaded.
    """
    names = []
    for checkpoint in _list_checkpoints(out):
        if (checkpoint / STATE_FILE).is_file() and not is_whole(checkpoint):
            (checkpoint / STATE_FILE).replace(checkpoint / f"{STATE_FILE}.damaged")
            names.append(checkpoint.name)
    return names


def _list_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of a stage, the newest first."""
    numbered = []
    for path in (out / CHECKPOINTS).glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        if number.isdigit():
            numbered.append((int(number), path))
    return [path for _, path in sorted(numbered, reverse=True)]


def is_whole(checkpoint: Path) -> bool:
    """Whether no file of a checkpoint is missing or cut off."""
    if not (checkpoint / STATE_FILE).is_file():
        return False
    processes = count_processes()
    if processes > 1:
        for rank in range(processes):
            if not (checkpoint / f"rng_state_{rank}.pth").is_file():
                return False
    return all(is_readable(path) for path in checkpoint.rglob("*") if path.is_file())


def is_readable(path: Path) -> bool:
    """Whether the directory of a file of weights is intact, or a JSON file is valid; true for other files.

    Raises:
        OSError: The file cannot be read now, which is no damage.
    """
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix in _TORCH_SUFFIXES:
            zipfile.ZipFile(path).close()
        elif path.suffix == ".safetensors":
            _open_safetensors(path)
    except OSError:
        raise  # a disk or permission error is no damage
    except weight_errors():
        return False
    return True


def _open_safetensors(path: Path) -> None:
    """Read the header, and compare the size that it describes with the file's."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy"):
        pass
