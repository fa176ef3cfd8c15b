"""Read and validate the files of a prompt set."""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

PromptName = Literal[
    "generate", "classify", "critique", "continue", "helpfulness", "refine", "refine_directly"
]
TaskType = Literal["question", "summary", "code"]

VARIABLES: Mapping[PromptName, tuple[str, ...]] = {
    "generate": ("context", "question"),
    "classify": ("context", "question", "answer"),
    "critique": ("context", "question", "answer", "findings"),
    "continue": ("context", "question", "answer", "findings", "critique"),
    "helpfulness": ("context", "question", "answer", "critique"),
    "refine": ("context", "question", "answer", "critique"),
    "refine_directly": ("context", "question", "answer"),
}
"""Variables of each prompt; a file declares and uses exactly these."""

CUES: Mapping[PromptName, str] = {
    "generate": "Answer:",
    "classify": "Does the answer have a flaw? Answer only Yes or No:",
    "critique": "Critique:",
    "continue": "Critique, continued:",
    "helpfulness": "Is the critique helpful? Answer only Yes or No:",
    "refine": "Refinement:",
    "refine_directly": "Direct refinement:",
}
"""Last line of each prompt in the sets `default` and `plain`."""

LABELS: Mapping[str, str] = {
    "context": "Context:",
    "question": "Question:",
    "answer": "Answer:",
    "findings": "Findings:",
    "critique": "Critique:",
}
"""Line above each variable's text in a set without `labels.md`."""

LABELS_FILE = "labels.md"
RETRY_FILE = "retry_verdict.md"
_COLONS = (":", "：")


class PromptError(ValueError):
    """A prompt is missing or invalid, or was rendered with wrong variables."""


def system_file(task_type: TaskType) -> str:
    """Return the file name of a task type's system message."""
    return f"system.{task_type}.md"


def find_overrides(folder: Path) -> dict[str, Path]:
    """Return the prompt files of a user's folder by name.

    Raises:
        PromptError: The folder does not exist, or a file in it has an unknown name.
    """
    if not folder.is_dir():
        raise PromptError(f"The prompt folder '{folder}' does not exist or is not a folder.")
    allowed = {LABELS_FILE, RETRY_FILE}
    allowed |= {f"{name}.md" for name in VARIABLES}
    allowed |= {system_file(task_type) for task_type in get_args(TaskType)}
    files = {path.name: path for path in folder.glob("*.md")}
    unknown = sorted(set(files) - allowed)
    if unknown:
        names = ", ".join(unknown)
        raise PromptError(
            f"'{folder}' has unknown prompt files: {names}. Use: {', '.join(sorted(allowed))}."
        )
    return files


def read_template(name: PromptName, path: Path | None) -> string.Template:
    """Read a prompt. Raises PromptError if the file is missing or invalid."""
    if path is None:
        raise PromptError(f"The prompt set has no file '{name}.md'.")
    expected = ", ".join(VARIABLES[name])
    head, _, body = read_text(path).partition("\n")
    if not head.startswith("variables:"):
        raise PromptError(f"{path}: the first line must be 'variables: {expected}'.")
    template = string.Template(body)
    if not template.is_valid():
        raise PromptError(f"{path}: invalid dollar sign. Write $$ for a literal dollar sign.")
    declared = [variable.strip() for variable in head.removeprefix("variables:").split(",")]
    _check_variables(name, f"{path} declares", declared)
    _check_variables(name, f"{path} uses", template.get_identifiers())
    cue = last_line(body)
    if "$" in cue or not cue.endswith(_COLONS):
        raise PromptError(
            f"{path}: the last line must be a cue that ends with a colon, such as '{CUES[name]}'; "
            f"it is '{cue}'."
        )
    return template


def read_cues(templates: Mapping[PromptName, string.Template]) -> dict[PromptName, str]:
    """Return the last line of each prompt. Raises PromptError if two are equal."""
    cues: dict[PromptName, str] = {}
    names: dict[str, PromptName] = {}
    for name, template in templates.items():
        cue = last_line(template.template)
        if cue in names:
            raise PromptError(
                f"'{names[cue]}.md' and '{name}.md' end with the same cue '{cue}'. "
                "Give each prompt of a set its own last line."
            )
        names[cue] = name
        cues[name] = cue
    return cues


def read_labels(path: Path) -> dict[str, str]:
    """Read `labels.md`: a line 'variable: label' for each variable.

    Raises:
        PromptError: A line is malformed, or a label is missing or not unique.
    """
    labels: dict[str, str] = {}
    for line in filter(None, map(str.strip, read_text(path).splitlines())):
        variable, _, text = line.partition(":")
        label = text.strip()
        if variable not in LABELS or not label or "`" in label:
            raise PromptError(
                f"{path}: the line '{line}' must be 'variable: label', such as 'question: Question:'. "
                f"The variables are {', '.join(LABELS)}."
            )
        if variable in labels or label in labels.values():
            raise PromptError(f"{path}: the line '{line}' repeats a variable or a label.")
        labels[variable] = label
    missing = [variable for variable in LABELS if variable not in labels]
    if missing:
        raise PromptError(
            f"{path} has no label for {', '.join(missing)}. Add the line "
            f"'{missing[0]}: {LABELS[missing[0]]}', translated after the first colon."
        )
    return labels


def read_message(path: Path) -> str:
    """Read a message without variables. Raises PromptError if it is empty."""
    text = read_text(path).strip()
    if not text:
        raise PromptError(f"{path} is empty. Write the message, or delete the file.")
    if text.startswith("variables:"):
        raise PromptError(f"{path} takes no variables. Delete its first line.")
    return text


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is not UTF-8 text. Save it with the encoding UTF-8.") from error


def last_line(text: str) -> str:
    """Return the last line that is not blank."""
    return text.rstrip().rsplit("\n", 1)[-1].strip()


def _check_variables(name: PromptName, subject: str, variables: Sequence[str]) -> None:
    if sorted(variables) != sorted(VARIABLES[name]):
        actual = ", ".join(variables) or "none"
        expected = ", ".join(VARIABLES[name])
        raise PromptError(f"{subject} the variables {actual}; '{name}' needs {expected}.")
