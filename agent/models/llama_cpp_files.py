"""Find and verify the files of a local model; the errors name the option."""

from pathlib import Path

from selfcritic.agent.models import smollm2
from selfcritic.agent.models.gguf import GgufError, Metadata, read_metadata

_SMOLLM2 = "smollm2"


def find_weights(model: str) -> str:
    """Return the absolute path of a model's file.

    Raises:
        ValueError: The model is "smollm2" and its weights are not on this machine.
    """
    if model != _SMOLLM2:
        return str(Path(model).expanduser().resolve())
    path = smollm2.find()
    if path is None:
        raise ValueError("the weights are missing: run `selfcritic models pull smollm2`")
    return str(path.resolve())


def read_file(option: str, value: str) -> Metadata:
    """Read a GGUF file's metadata.

    Raises:
        ValueError: The file is missing, not GGUF or damaged; the message names the option.
    """
    path = Path(value).expanduser()
    try:
        return read_metadata(path)
    except FileNotFoundError:
        hint = ""
        if option == "model":
            hint = ". Use local:PATH.gguf or local:smollm2"
        raise ValueError(f"{option} '{value}' does not exist{hint}") from None
    except IsADirectoryError:
        raise ValueError(f"{option} '{value}' is a folder: name a GGUF file in it") from None
    except OSError as error:
        raise ValueError(f"{option} '{value}' cannot be read: {error.strerror}") from None
    except GgufError as error:
        raise ValueError(f"{option} '{value}' cannot be loaded: {error}") from None


def read_template(value: str | None) -> str | None:
    """Return the text of a template's file, or the name "chatml"."""
    if value is None or value == "chatml":
        return value
    try:
        return Path(value).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"chat_template '{value}' is neither 'chatml' nor a readable Jinja file: {error}"
        ) from None
