"""Load checkpoints of the tiny model."""

from pathlib import Path
from typing import Any

import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.memory import is_memory_error
from selfcritic.agent.training.stage_files import weight_errors


def load_checkpoint(path: Path, device: torch.device | str) -> dict[str, Any]:
    """Load a checkpoint onto a device.

    Raises:
        InputError: The file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except weight_errors() as error:
        if is_memory_error(error):
            raise
        raise InputError(
            f"The checkpoint '{path}' is damaged ({str(error)[:120]}). "
            f"Delete the folder '{path.parent}' to start again, or choose another folder."
        ) from error
    return state
