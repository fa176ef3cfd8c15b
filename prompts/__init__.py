"""Prompt sets: one folder per set, one file per prompt.

A file starts with the line `variables: name, name`. The rest is a `string.Template` that uses each variable once as
`$name`. Every variable is data (a question, a draft, a critique). It is rendered as a labeled Markdown fence, longer
than any run of backticks in the data, so no text can close it. The last line is the prompt's cue, such as the paper's
"Critiqueable:". A small model continues the cue; `parse_prompt` identifies the prompt by it.

`system.TASK_TYPE.md`, if a set has it, is the system message of all prompts. The data precedes the instruction, so the
requests of one round share a prefix that a provider can cache.
"""

import functools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

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

OPTIONAL = ("context", "findings")
"""Variables that may be empty; a paragraph that uses an empty one is dropped."""

CUES: Mapping[PromptName, str] = {
    "generate": "Answer:",
    "classify": "Critiqueable:",
    "critique": "Critique:",
    "continue": "Critique, continued:",
    "helpfulness": "Helpful:",
    "refine": "Refinement:",
    "refine_directly": "Direct refinement:",
}
"""Last line of each prompt."""

_SETS_DIR = Path(__file__).parent
_SECTION = re.compile(r"^(\w+):\n(`{3,})\n(.*?)\n\2$", re.DOTALL | re.MULTILINE)


class PromptError(ValueError):
    """A prompt is missing or invalid, or was rendered with wrong variables."""


@dataclass(frozen=True)
class PromptSet:
    """The validated prompts of one set."""

    templates: Mapping[PromptName, string.Template]
    systems: Mapping[TaskType, str]

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
        empty = [variable for variable in OPTIONAL if not data.get(variable)]
        template = _drop_paragraphs(self.templates[name], empty)
        sections = {variable: _section(variable, text) for variable, text in data.items()}
        text = template.substitute(sections).strip("\n")
        instruction = HumanMessage(text)
        system = self.systems.get(task_type)
        if not system:
            return [instruction]
        return [SystemMessage(system), instruction]


def fence_for(text: str) -> str:
    """Return a run of backticks longer than any in the text."""
    runs = re.findall("`+", text)
    longest_run = max(map(len, runs), default=0)
    return "`" * max(3, longest_run + 1)


def _drop_paragraphs(template: string.Template, variables: Sequence[str]) -> string.Template:
    """Drop the paragraphs that use any of the variables."""
    kept = []
    for paragraph in template.template.split("\n\n"):
        used = string.Template(paragraph).get_identifiers()
        if not set(used) & set(variables):
            kept.append(paragraph)
    return string.Template("\n\n".join(kept))


def _section(variable: str, text: str) -> str:
    """Wrap the text in a labeled fence."""
    fence = fence_for(text)
    return f"{variable.capitalize()}:\n{fence}\n{text}\n{fence}"


@dataclass(frozen=True)
class ParsedPrompt:
    """The parts of a rendered prompt."""

    name: PromptName | None
    """None if the last line is not a cue."""
    data: Mapping[str, str]
    prefix: str
    """Prefilled start of the reply: the text of a final assistant message."""


def parse_prompt(messages: list[BaseMessage]) -> ParsedPrompt:
    """Extract the name, data and prefill from rendered messages.

    Inverse of `PromptSet.render`.
    """
    prefix = ""
    if messages and isinstance(messages[-1], AIMessage):
        prefix = messages[-1].text
    instruction = ""
    for message in messages:
        if isinstance(message, HumanMessage):
            instruction = message.text
    last_line = _last_line(instruction)
    name = next((name for name, cue in CUES.items() if cue == last_line), None)
    data = {label.lower(): text for label, _, text in _SECTION.findall(instruction)}
    return ParsedPrompt(name, data, prefix)


def _last_line(text: str) -> str:
    return text.rstrip().rsplit("\n", 1)[-1].strip()


@functools.cache
def load(name: str = "default", folder: str | None = None) -> PromptSet:
    """Load a prompt set; files in `folder` override files of the same name.

    Raises:
        PromptError: The set or the folder does not exist, or a file is invalid.
    """
    set_dir = _SETS_DIR / name
    if not re.fullmatch(r"\w+", name) or not set_dir.is_dir():
        names = ", ".join(available())
        raise PromptError(f"There is no prompt set '{name}'. Use one of: {names}.")
    files = {path.name: path for path in set_dir.glob("*.md")}
    if folder is not None:
        files.update(_overrides(Path(folder)))
    systems: dict[TaskType, str] = {}
    for task_type in get_args(TaskType):
        path = files.get(f"system.{task_type}.md")
        if path is not None:
            systems[task_type] = path.read_text("utf-8").strip()
    templates: dict[PromptName, string.Template] = {}
    for prompt_name in VARIABLES:
        path = files.get(f"{prompt_name}.md")
        templates[prompt_name] = _template(prompt_name, path)
    return PromptSet(templates, systems)


def available() -> list[str]:
    """List the prompt sets of the package."""
    files = _SETS_DIR.glob("*/generate.md")
    return sorted(path.parent.name for path in files)


def _overrides(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise PromptError(f"The prompt folder '{folder}' does not exist or is not a folder.")
    allowed = {f"{name}.md" for name in VARIABLES}
    allowed |= {f"system.{task_type}.md" for task_type in get_args(TaskType)}
    files = {path.name: path for path in folder.glob("*.md")}
    unknown = sorted(set(files) - allowed)
    if unknown:
        names = ", ".join(unknown)
        raise PromptError(
            f"'{folder}' has unknown prompt files: {names}. Use: {', '.join(sorted(allowed))}."
        )
    return files


def _template(name: PromptName, path: Path | None) -> string.Template:
    """Read and validate a prompt file."""
    if path is None:
        raise PromptError(f"The prompt set has no file '{name}.md'.")
    expected = ", ".join(VARIABLES[name])
    head, _, body = path.read_text("utf-8").partition("\n")
    if not head.startswith("variables:"):
        raise PromptError(f"{path}: the first line must be 'variables: {expected}'.")
    template = string.Template(body)
    if not template.is_valid():
        raise PromptError(f"{path}: invalid dollar sign. Write $$ for a literal dollar sign.")
    declared = [variable.strip() for variable in head.removeprefix("variables:").split(",")]
    _check_variables(name, f"{path} declares", declared)
    _check_variables(name, f"{path} uses", template.get_identifiers())
    if _last_line(body) != CUES[name]:
        raise PromptError(f"{path}: the last line must be the cue '{CUES[name]}'.")
    return template


def _check_variables(name: PromptName, subject: str, variables: Sequence[str]) -> None:
    if sorted(variables) != sorted(VARIABLES[name]):
        actual = ", ".join(variables) or "none"
        expected = ", ".join(VARIABLES[name])
        raise PromptError(f"{subject} the variables {actual}; '{name}' needs {expected}.")
