"""Prompt sets: one folder per set, one file per prompt.

A file starts with the line `variables: name, name`. The rest is a `string.Template` that uses each variable once as
`$name`. Every variable is data (a question, a draft, a critique). It is rendered as a labeled Markdown fence, longer
than any run of backticks in the data, so no text can close it. The last line is the prompt's cue, such as "Answer:".
A small model continues the cue; `parse_prompt` identifies the prompt by it. A set may use any language: each prompt has
its own cue, and `labels.md` names the sections.

`system.TASK_TYPE.md`, if a set has it, is the system message of all prompts. `retry_verdict.md` asks again for a
verdict that could not be read. The data precedes the instruction, so the requests of one round share a prefix that a
provider can cache.
"""

import functools
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from selfcritic.prompts.files import (
    CUES,
    LABELS,
    LABELS_FILE,
    RETRY_FILE,
    VARIABLES,
    PromptError,
    PromptName,
    TaskType,
    find_overrides,
    last_line,
    read_cues,
    read_labels,
    read_message,
    read_template,
    read_text,
    system_file,
)

__all__ = [
    "CUES",
    "LABELS",
    "OPTIONAL",
    "VARIABLES",
    "ParsedPrompt",
    "PromptError",
    "PromptName",
    "PromptSet",
    "TaskType",
    "available",
    "fence_for",
    "is_label",
    "load",
    "parse_prompt",
]

OPTIONAL = ("context", "findings")
"""Variables that may be empty; a paragraph that uses an empty one is dropped."""

_SETS_DIR = Path(__file__).parent
_names_by_cue: dict[str, PromptName] = {cue: name for name, cue in CUES.items()}
_variables_by_label: dict[str, str] = {label: variable for variable, label in LABELS.items()}
"""Cues and labels that `parse_prompt` recognizes: English, and those of every set loaded so far."""


@dataclass(frozen=True)
class PromptSet:
    """The validated prompts of one set."""

    templates: Mapping[PromptName, string.Template]
    cues: Mapping[PromptName, str]
    """The last line of each prompt."""
    systems: Mapping[TaskType, str]
    labels: Mapping[str, str]
    """The line above each variable's text."""
    retry_verdict: str
    """Message that asks again for a verdict that could not be read."""

    def render(
        self, name: PromptName, task_type: TaskType = "question", **data: str
    ) -> list[BaseMessage]:
        """Render a prompt as chat messages.

        `data` has the prompt's variables; it may omit optional ones.

        Raises:
            PromptError: `data` lacks a required variable or has an unknown one.
        """
        variables = set(VARIABLES[name])
        required = variables - set(OPTIONAL)
        if not required <= set(data) <= variables:
            expected = ", ".join(VARIABLES[name])
            raise PromptError(f"The prompt '{name}' takes {expected}; it was given {sorted(data)}.")
        empty = tuple(variable for variable in OPTIONAL if not data.get(variable))
        template = _drop_paragraphs(self.templates[name].template, empty)
        sections = {
            variable: _section(self.labels[variable], text) for variable, text in data.items()
        }
        text = template.substitute(sections).strip("\n")
        instruction = HumanMessage(text)
        system = self.systems.get(task_type)
        if not system:
            return [instruction]
        return [_system_message(system), instruction]


@functools.lru_cache(maxsize=64)
def _system_message(text: str) -> SystemMessage:
    """Return the message that all prompts of a task type share."""
    return SystemMessage(text)


def fence_for(text: str) -> str:
    """Return a run of backticks longer than any in the text."""
    runs = re.findall("`+", text)
    longest_run = max(map(len, runs), default=0)
    return "`" * max(3, longest_run + 1)


@functools.lru_cache(maxsize=256)
def _drop_paragraphs(template: str, variables: tuple[str, ...]) -> string.Template:
    """Drop the paragraphs that use any of the variables."""
    kept = []
    for paragraph in template.split("\n\n"):
        used = string.Template(paragraph).get_identifiers()
        if not set(used) & set(variables):
            kept.append(paragraph)
    return string.Template("\n\n".join(kept))


def _section(label: str, text: str) -> str:
    """Wrap the text in a labeled fence."""
    fence = fence_for(text)
    return f"{label}\n{fence}\n{text}\n{fence}"


@dataclass(frozen=True)
class ParsedPrompt:
    """The parts of a rendered prompt."""

    name: PromptName | None
    """None if no message ends with a cue."""
    data: Mapping[str, str]
    prefix: str
    """Prefilled start of the reply: the text of a final assistant message."""


def parse_prompt(messages: list[BaseMessage]) -> ParsedPrompt:
    """Extract the name, data and prefill from rendered messages.

    Inverse of `PromptSet.render` for the English sets and every set that this process has loaded.
    """
    prefix = ""
    if messages and isinstance(messages[-1], AIMessage):
        prefix = messages[-1].text
    instruction = ""
    name: PromptName | None = None
    for message in messages:
        if not isinstance(message, HumanMessage):
            continue
        new_name = _names_by_cue.get(last_line(message.text))
        if new_name is not None or name is None:  # a request to try again follows the prompt
            name, instruction = new_name, message.text
    return ParsedPrompt(name, _parse_sections(instruction), prefix)


def _parse_sections(text: str) -> dict[str, str]:
    labels = "|".join(map(re.escape, list(_variables_by_label)))
    section = re.compile(rf"^({labels})\n(`{{3,}})\n(.*?)\n\2$", re.DOTALL | re.MULTILINE)
    return {_variables_by_label[label]: data for label, _, data in section.findall(text)}


def is_label(text: str) -> bool:
    """Whether a text is only a cue or a section label of a set that was loaded."""
    return text.strip() in _names_by_cue or text.strip() in _variables_by_label


@functools.cache
def load(name: str = "default", folder: str | None = None) -> PromptSet:
    """Load a prompt set; files in `folder` override files of the same name.

    Raises:
        PromptError: The set or the folder does not exist, or a file is invalid.
    """
    set_dir = _SETS_DIR / name
    if not re.fullmatch(r"\w+", name) or not set_dir.is_dir():
        names = ", ".join(available())
        raise PromptError(
            f"There is no prompt set '{name}'. Use one of: {names}. "
            "To use a folder of prompt files, set prompt_dir (--prompt-dir)."
        )
    files = {RETRY_FILE: _SETS_DIR / "default" / RETRY_FILE}
    files.update({path.name: path for path in set_dir.glob("*.md")})
    if folder is not None:
        files.update(find_overrides(Path(folder)))
    systems: dict[TaskType, str] = {}
    for task_type in get_args(TaskType):
        path = files.get(system_file(task_type))
        if path is not None:
            systems[task_type] = read_text(path).strip()
    templates: dict[PromptName, string.Template] = {}
    for prompt_name in VARIABLES:
        templates[prompt_name] = read_template(prompt_name, files.get(f"{prompt_name}.md"))
    cues = read_cues(templates)
    labels = dict(LABELS)
    if LABELS_FILE in files:
        labels = read_labels(files[LABELS_FILE])
    _register(cues, labels)
    return PromptSet(templates, cues, systems, labels, read_message(files[RETRY_FILE]))


def _register(cues: Mapping[PromptName, str], labels: Mapping[str, str]) -> None:
    """Let `parse_prompt` recognize a set; earlier sets take precedence."""
    for name, cue in cues.items():
        _names_by_cue.setdefault(cue, name)
    for variable, label in labels.items():
        _variables_by_label.setdefault(label, variable)


def available() -> list[str]:
    """List the prompt sets of the package."""
    files = _SETS_DIR.glob("*/generate.md")
    return sorted(path.parent.name for path in files)
