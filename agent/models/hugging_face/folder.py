"""Describe what a trained folder is: its prompts, base and token rules, in `selfcritic.json`."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from selfcritic.agent.errors import InputError, format_validation_error
from selfcritic.agent.schemas import Record

INFO_FILE = "selfcritic.json"
ADAPTER_FILE = "adapter_config.json"
_WEIGHT_BYTES = 2**20
"""Bytes at the end of a weight file that identify it."""


class FolderInfo(Record):
    """What selfcritic must know of a transformers folder that it trained."""

    schema_version: Literal[1] = 1
    kind: Literal["model", "adapter", "reward"] = "model"
    prompts: str = "plain"
    """Prompt set that the model was trained on."""
    base: str = ""
    """Identity of the model from which training started; see `identify_base`."""
    tokenizer: str = ""
    """Hash of the vocabulary and the chat template; see `hash_tokenizer`."""
    prompt_only_tokens: list[int] = Field(default_factory=list)
    """Tokens that a reply may contain only if its prompt does. Only the tiny decoder needs them."""


def read_info(folder: Path | str) -> FolderInfo | None:
    """Return the description of a folder, None if it has none.

    Raises:
        InputError: The file is invalid or of another version.
    """
    path = Path(folder) / INFO_FILE
    if not path.is_file():
        return None
    try:
        return FolderInfo.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = format_validation_error(error, INFO_FILE, limit=2)
        raise InputError(
            f"{path} is not a description of a trained folder: {problem}. "
            "Train the folder again, or use the version of selfcritic that wrote it."
        ) from None


def write_info(folder: Path, info: FolderInfo) -> None:
    """Write the description of a folder."""
    text = json.dumps(info.model_dump(mode="json"), indent=1)
    (folder / INFO_FILE).write_text(f"{text}\n", encoding="utf-8")


def identify_base(model: str) -> str:
    """Return what identifies a base: its name, and for a folder its shape and a hash of its weights.

    A trained folder has the identity of the base that it was trained from.
    """
    folder = Path(model)
    info = read_info(folder)
    if info is not None and info.base:
        return info.base
    if not folder.is_dir():
        return model
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = config.get("hidden_size", "?")
    shape = f"{config.get('num_hidden_layers', '?')} x {size}"
    return f"{config.get('model_type', 'model')} {shape} {_hash_weights(folder)}"


def _hash_weights(folder: Path) -> str:
    """Return a short hash of the names and the last bytes of all weight files."""
    digest = hashlib.sha256()
    for path in _weight_files(folder):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _WEIGHT_BYTES))
            digest.update(file.read())
    return digest.hexdigest()[:12]


def hash_all_weights(folder: Path) -> str:
    """Return a hash of the names and contents of all weight files."""
    digest = hashlib.blake2b(digest_size=8)
    for path in _weight_files(folder):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def has_weights(folder: Path) -> bool:
    """Return whether a folder has weights of a model or an adapter."""
    return bool(_weight_files(folder))


def _weight_files(folder: Path) -> list[Path]:
    paths = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    return [path for path in paths if path.name != "training_args.bin"]


def hash_tokenizer(tokenizer: Any) -> str:
    """Return a short hash of a tokenizer's vocabulary and chat template."""
    vocabulary = sorted(tokenizer.get_vocab().items())
    content = json.dumps([vocabulary, tokenizer.chat_template])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def check_tokenizer(folder: Path | str, info: FolderInfo | None, tokenizer: Any) -> None:
    """Raise InputError if a folder's tokenizer is not the one that the folder was trained with."""
    if info is None or not info.tokenizer:
        return
    if hash_tokenizer(tokenizer) != info.tokenizer:
        raise InputError(
            f"The tokenizer or the chat template in '{folder}' is not the one it was trained with. "
            "Copy tokenizer.json, tokenizer_config.json and chat_template.jinja from the training's output again."
        )
