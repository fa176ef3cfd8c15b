"""Remove the thinking that reasoning models write into their replies.

Some servers leave it in the text: `<think>…</think>` before the answer, or only `</think>` if the chat template
opened the block. Thinking that has no end yet means that there is no answer yet.
"""

import re
from dataclasses import dataclass

_TAG_NAMES = r"think|thinking|thought|thoughts|reasoning|seed:think"
_OPENING = re.compile(
    rf"\A\s*(?:<(?P<tag>{_TAG_NAMES})>|(?P<square>\[THINK\])|(?P<diamond>◁think▷))"
)
_ANY_CLOSING = re.compile(rf"(?<![`'\"])(?:</(?:{_TAG_NAMES})>|\[/THINK\]|◁/think▷)(?![`'\"])")
_LONGEST_OPENING = 16  # characters


@dataclass(frozen=True)
class Stripped:
    """A reply without its thinking."""

    text: str
    thinking: str
    """The removed text without its tags; empty if there was none."""


def strip_thinking(text: str) -> Stripped:
    """Split a reply into the answer and the thinking before it.

    Removes leading blocks, and everything up to a lone closing tag. A tag in quotation marks or backticks is text.
    """
    thinking: list[str] = []
    rest = text
    opening = _OPENING.match(rest)
    while opening is not None:
        closing = _closing_of(opening).search(rest, opening.end())
        if closing is None:
            thinking.append(rest[opening.end() :])
            return Stripped("", _join(thinking))
        thinking.append(rest[opening.end() : closing.start()])
        rest = rest[closing.end() :]
        opening = _OPENING.match(rest)
    if not thinking:
        lone_closing = _ANY_CLOSING.search(rest)
        if lone_closing is None:
            return Stripped(text, "")
        thinking.append(rest[: lone_closing.start()])
        rest = rest[lone_closing.end() :]
    return Stripped(rest.lstrip(), _join(thinking))


def _closing_of(opening: re.Match[str]) -> re.Pattern[str]:
    """Return the pattern of the tag that closes a block."""
    if opening["square"]:
        return re.compile(r"\[/THINK\]")
    if opening["diamond"]:
        return re.compile("◁/think▷")
    return re.compile(f"</{opening['tag']}>")


def _join(parts: list[str]) -> str:
    stripped = [part.strip() for part in parts]
    return "\n\n".join(filter(None, stripped))


class ThinkingFilter:
    """Removes thinking from a stream of text.

    A lone closing tag is only found if the whole reply is held back, which `holds_all` does.
    """

    def __init__(self, *, holds_all: bool = False) -> None:
        self.thinking = ""
        self._holds_all = holds_all
        self._buffer = ""
        self._passes = False

    def feed(self, text: str) -> str:
        """Add the next piece of a reply and return the text that can be shown."""
        if self._passes:
            return text
        self._buffer += text
        if self._holds_all:
            return ""
        return self._release()

    def flush(self) -> str:
        """Return the rest of the answer after the last piece."""
        if self._passes:
            return ""
        stripped = strip_thinking(self._buffer)
        self.thinking = stripped.thinking
        self._buffer = ""
        self._passes = True
        return stripped.text

    def _release(self) -> str:
        if _may_open(self._buffer):
            return ""
        if _OPENING.match(self._buffer) is None:
            return self.flush()
        stripped = strip_thinking(self._buffer)
        # A second block may follow the first one.
        if not stripped.text or _may_open(stripped.text):
            return ""
        return self.flush()


def _may_open(text: str) -> bool:
    """Whether more text could turn this into an opening tag."""
    start = text.lstrip()
    if not start:
        return True
    if len(start) > _LONGEST_OPENING or start[0] not in "<[◁" or _OPENING.match(start):
        return False
    tags = [f"<{name}>" for name in _TAG_NAMES.split("|")]
    return any(tag.startswith(start) for tag in [*tags, "[THINK]", "◁think▷"])
