"""What is said to a model: a folder a prompt set, a file a role.

A file begins with a line `variables: name, name`; the rest is a `string.Template` that names each of them with a dollar
sign. Every variable is data (a question, a draft, a critique): it is put in as a labelled Markdown fence that
is longer than any run of backticks within, so that no text can close it. The last line is the role's cue, the paper's
words ("Critiqueable:"), which a small model continues and by which the simulated model knows what it is asked.

`system.KIND.md`, where a set has it, is said first and is the same for every role, and the data comes before the
instruction, so that the calls of one round share their prefix and a provider's prompt cache serves them.
"""

import functools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

PromptName = Literal["generate", "classify", "critique", "continue", "helpfulness", "refine", "refine_directly"]
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
"""What each role's prompt is given; a file declares and uses exactly these."""

OPTIONAL = ("context", "findings")
"""Variables that may be empty; a paragraph that names an empty one is left out."""

CUES: Mapping[PromptName, str] = {
    "generate": "Answer:",
    "classify": "Critiqueable:",
    "critique": "Critique:",
    "continue": "Critique, continued:",
    "helpfulness": "Helpful:",
    "refine": "Refinement:",
    "refine_directly": "Direct refinement:",
}
"""The last line of each role's prompt."""

_HERE = Path(__file__).parent
_SECTION = re.compile(r"^(\w+):\n(`{3,})\n(.*?)\n\2$", re.DOTALL | re.MULTILINE)


class PromptError(ValueError):
    """A prompt is missing, or its variables are not the ones that its role is given."""


@dataclass(frozen=True)
class PromptSet:
    """The prompts of every role, read and checked."""

    roles: Mapping[PromptName, string.Template]
    systems: Mapping[TaskType, str]

    def render(self, role: PromptName, kind: TaskType = "question", **data: str) -> list[BaseMessage]:
        """The chat messages that ask for a role's part; of the role's variables, `data` may leave out optional ones."""
        if not set(VARIABLES[role]) - set(OPTIONAL) <= set(data) <= set(VARIABLES[role]):
            raise PromptError(f"The prompt '{role}' takes {', '.join(VARIABLES[role])}; it was given {sorted(data)}.")
        blocks = {name: _section(name, text) for name, text in data.items()}
        absent = [name for name in OPTIONAL if not data.get(name)]  # with their paragraphs they are left out
        body = _without(absent, self.roles[role]).substitute(blocks).strip("\n")
        system = self.systems.get(kind)
        return [*([SystemMessage(system)] if system else []), HumanMessage(body)]


def fence_for(text: str) -> str:
    """A run of backticks that is longer than any within the text."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))


def _without(absent: Sequence[str], template: string.Template) -> string.Template:
    """The template without the paragraphs that name an absent variable."""
    paragraphs = template.template.split("\n\n")
    named = [set(string.Template(paragraph).get_identifiers()) for paragraph in paragraphs]
    return string.Template(
        "\n\n".join(p for p, available in zip(paragraphs, named, strict=True) if not available & {*absent})
    )


def _section(name: str, text: str) -> str:
    """A labelled fence; each is as long as its own text needs, and no other's."""
    fence = fence_for(text)
    return f"{name.capitalize()}:\n{fence}\n{text}\n{fence}"


@dataclass(frozen=True)
class ParsedPrompt:
    """What a rendered prompt says: the inverse of `PromptSet.render`."""

    role: PromptName | None
    """None where the last line is no role's cue."""
    data: Mapping[str, str]
    prefix: str
    """What the reply is to continue: the text of a last assistant message."""


def parse_prompt(messages: list[BaseMessage]) -> ParsedPrompt:
    """Read the role, the data and a prefilled reply out of rendered messages."""
    prefix = messages[-1].text if messages and isinstance(messages[-1], AIMessage) else ""
    asked = next((message.text for message in reversed(messages) if isinstance(message, HumanMessage)), "")
    cue = asked.rstrip().rsplit("\n", 1)[-1].strip()
    role = next((role for role, words in CUES.items() if words == cue), None)
    return ParsedPrompt(role, {name.lower(): text for name, _, text in _SECTION.findall(asked)}, prefix)


@functools.cache
def load(name: str = "default", folder: str | None = None) -> PromptSet:
    """The set of that name; a file of the same name in the user's `folder` takes the place of the set's own."""
    home = _HERE / name
    if not re.fullmatch(r"\w+", name) or not home.is_dir():
        raise PromptError(f"There is no prompt set '{name}'; there are {', '.join(available())}.")
    files = {path.name: path for path in home.glob("*.md")}
    if folder is not None:
        files |= _overrides(Path(folder), allowed={f"{role}.md" for role in VARIABLES} | _system_files())
    return PromptSet(
        roles={role: _template(role, files.get(f"{role}.md")) for role in VARIABLES},
        systems={
            kind: files[f"system.{kind}.md"].read_text("utf-8").strip()
            for kind in get_args(TaskType)
            if f"system.{kind}.md" in files
        },
    )


def available() -> list[str]:
    """The prompt sets that ship."""
    return sorted(path.name for path in _HERE.iterdir() if (path / "generate.md").is_file())


def _system_files() -> set[str]:
    return {f"system.{kind}.md" for kind in get_args(TaskType)}


def _overrides(folder: Path, allowed: set[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise PromptError(f"The prompt folder '{folder}' is no folder.")
    files = {path.name: path for path in folder.glob("*.md")}
    if strange := sorted(set(files) - allowed):
        raise PromptError(
            f"'{folder}' holds {', '.join(strange)}; a prompt file is one of {', '.join(sorted(allowed))}."
        )
    return files


def _template(role: PromptName, path: Path | None) -> string.Template:
    """Read a role's file and hold its variables against the ones the role is given."""
    if path is None:
        raise PromptError(f"The prompt set has no file '{role}.md'.")
    head, _, body = path.read_text("utf-8").partition("\n")
    if not head.startswith("variables:"):
        raise PromptError(f"{path}: the first line must be 'variables: {', '.join(VARIABLES[role])}'.")
    template = string.Template(body)
    if not template.is_valid():
        raise PromptError(f"{path}: a stray dollar sign; write two of them for one that is meant.")
    declared = [name.strip() for name in head.removeprefix("variables:").split(",")]
    for found, how in ((declared, "declares"), (template.get_identifiers(), "uses")):
        if sorted(found) != sorted(VARIABLES[role]):
            raise PromptError(
                f"{path} {how} {', '.join(found) or 'none'}; '{role}' is given {', '.join(VARIABLES[role])}."
            )
    if body.rstrip().rsplit("\n", 1)[-1].strip() != CUES[role]:
        raise PromptError(f"{path}: the last line must be the cue '{CUES[role]}'.")
    return template
