"""Read the files, folders and diffs of a command line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.diffs import is_diff, is_empty_commit, parse_diff
from selfcritic.graphs.cli.review.documents import (
    DIFF_SUFFIXES,
    STDIN,
    Document,
    Skipped,
    UnsupportedFileError,
    create_document,
    display_name,
    read_text,
)
from selfcritic.graphs.cli.review.languages import is_walked
from selfcritic.graphs.cli.review.notebooks import is_notebook, read_notebook
from selfcritic.graphs.cli.review.walk import walk_folder

DEFAULT_STDIN_NAME = "stdin"
_FOLDER_IN_MEMORY = "/dev/shm"  # noqa: S108 - only compared


@dataclass
class Inputs:
    """What a command line names."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    from_folders: frozenset[str] = frozenset()
    """Names of the documents that a folder contains."""


def read_inputs(
    names: Sequence[str], stdin_filename: str, *, has_model: bool, is_gate: bool = False
) -> Inputs:
    """Read all inputs; those with nothing to review are in `skipped`.

    A gate takes only diffs from standard input and pipes: other text could be a diff in a form that is not recognized.

    Raises:
        InputError: An input that is named on the command line cannot be reviewed.
        OSError: It cannot be read.
    """
    inputs = Inputs()
    seen: set[str] = set()
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        if name != STDIN and Path(name).is_dir():
            _read_folder(inputs, name, seen, has_model)
        else:
            _read_input(inputs, name, stdin_filename, is_gate)
    return inputs


def _read_input(inputs: Inputs, name: str, stdin_filename: str, is_gate: bool) -> None:
    text = read_text(name)
    source = _identify(name, stdin_filename)
    if not text.strip():
        is_missing = _is_stream(name) or name.casefold().endswith(DIFF_SUFFIXES)
        inputs.skipped.append(
            Skipped(display_name(name), "is empty", "missing" if is_missing else "empty")
        )
    elif is_empty_commit(source, text):
        inputs.skipped.append(Skipped(display_name(name), "has no changes", "missing"))
    elif is_diff(source, text):
        documents, skipped = parse_diff(text)
        inputs.documents += documents
        inputs.skipped += skipped
    elif is_gate and source == STDIN:
        raise InputError(
            f"{display_name(name)} is not a diff, so --fail-on cannot be decided. Pass a diff as `git diff` prints it; "
            "to review another text, pipe it to - with --stdin-filename NAME."
        )
    else:
        document = _create_document(name, text, stdin_filename)
        _add(inputs, document)


def _identify(name: str, stdin_filename: str) -> str:
    """Return the file name of an input, or `STDIN` if it has none."""
    if name == STDIN and stdin_filename != DEFAULT_STDIN_NAME:
        return stdin_filename
    return STDIN if _is_stream(name) else name


def _is_stream(name: str) -> bool:
    """Detect standard input, and pipes without a suffix, such as /dev/fd/63 of a shell."""
    path = Path(name)
    is_device = path.is_relative_to("/dev") and not path.is_relative_to(_FOLDER_IN_MEMORY)
    if name == STDIN or is_device:
        return True
    return not path.is_file() and not path.suffix


def _read_folder(inputs: Inputs, folder: str, seen: set[str], has_model: bool) -> None:
    walked: set[str] = set()
    names = walk_folder(folder)
    if not names:
        inputs.skipped.append(Skipped(folder, "has no files, or git ignores them", "unsupported"))
    for name in names:
        if name in seen:
            continue
        seen.add(name)
        if not is_walked(name, has_model):
            reason = "has a file type that is not reviewed in a folder"
            inputs.skipped.append(Skipped(name, reason, "unsupported"))
            continue
        document = _read_file(name)
        if isinstance(document, Skipped):
            inputs.skipped.append(document)
            continue
        walked.add(name)
        _add(inputs, document)
    inputs.from_folders |= walked


def _read_file(name: str) -> Document | Skipped:
    """Read a file of a folder, or return why it is skipped."""
    try:
        text = read_text(name)
        if not text.strip():
            return Skipped(name, "is empty", "empty")
        return _create_document(name, text, DEFAULT_STDIN_NAME)
    except UnsupportedFileError as error:
        return Skipped(name, _reason(name, error), "unsupported")
    except (InputError, OSError) as error:
        return Skipped(name, _reason(name, error), "unreadable")


def _reason(name: str, error: InputError | OSError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return str(error).removeprefix(f"{name} ").rstrip(".")


def _create_document(name: str, text: str, stdin_filename: str) -> Document:
    document = create_document(name, text, stdin_filename if name == STDIN else None)
    if is_notebook(document.name):
        return read_notebook(document.name, document.text, document.uri, document.path)
    return document


def _add(inputs: Inputs, document: Document) -> None:
    if document.text.strip():
        inputs.documents.append(document)
    else:
        inputs.skipped.append(Skipped(document.name, "has no code", "empty"))
