"""Parsers of untrusted text, and what must hold for any input.

A property may raise only the errors that its function documents.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from pydantic import ValidationError

from selfcritic.agent.checkers.arithmetic.checker import arithmetic
from selfcritic.agent.critic.format import parse, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.litellm_replies import convert_logprobs
from selfcritic.agent.models.normalize import is_truncated, normalize_reply
from selfcritic.agent.nodes.human_actions import apply_actions, merge_labels, read_decision
from selfcritic.agent.sampling.verdicts import count_votes, read_logprobs
from selfcritic.agent.schemas import Comment
from selfcritic.graphs.batch.dataset import read_rows
from selfcritic.graphs.cli.review.diffs import is_diff, parse_diff
from selfcritic.graphs.control_characters import escape_lines
from selfcritic.graphs.diff import diff_lines

MAX_SECONDS = 5.0
"""CPU time of any example; the inputs have at most some thousand characters."""

ANSWER = """\
def mean(values):
    total = 0
    for value in values:
        total += value  # adds
    return total / len(values) + 1

The mean of 12 and 14 is 1,284 — “not” 13. Die Summe ist 5. 総和は五です。
"""


@dataclass(frozen=True)
class Target:
    """A property and the strategies of its arguments."""

    check: Callable[..., None]
    inputs: tuple[st.SearchStrategy[Any], ...]


TARGETS: dict[str, Target] = {}


def target(
    *inputs: st.SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a property to the targets."""

    def register(check: Callable[..., None]) -> Callable[..., None]:
        TARGETS[check.__name__] = Target(check, inputs)
        return check

    return register


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda items: st.lists(items, max_size=4) | st.dictionaries(st.text(max_size=8), items),
    max_leaves=8,
)


def texts_of(*fragments: str, size: int = 40) -> st.SearchStrategy[str]:
    """Draw texts that join fragments of a format, arbitrary text, and repetitions of it."""
    fragment = st.one_of(
        st.sampled_from(fragments),
        st.sampled_from(fragments),
        st.sampled_from(("\n", "\n\n", " ", "\r\n", "\t", "\ufeff", "\u2028", "\0", "\x1b[0m")),
        st.text(st.characters(), max_size=12),
        st.builds(lambda text, count: text * count, st.sampled_from(fragments), st.integers(2, 99)),
    )
    return st.lists(fragment, max_size=size).map("".join)


@contextmanager
def bounded() -> Iterator[None]:
    """Fail if the block takes too long."""
    start = time.process_time()
    yield
    seconds = time.process_time() - start
    assert seconds < MAX_SECONDS, f"took {seconds:.1f} s of CPU time"


def check_place(comment: Comment, text: str) -> None:
    """Check that a located comment quotes its part of a text."""
    assert comment.start is not None
    assert comment.end is not None
    assert 0 <= comment.start < comment.end <= len(text)
    assert text[comment.start : comment.end] == comment.quote


@target(
    texts_of(
        "```", "~~~~", "```python\n", "total = 0", "for value in values:", "The mean of 12", "[high] ", "Severity: low",
        "1. ", "- ", "* ", "| Quote | Issue |\n|---|---|\n", "| total | wrong |\n", "> ", "**Quote:** ", "Issue: ",
        '{"quote": "total", "comment": "no"}', "[", "]", "{", "}", '"', "“", "”", "`", "<think>", "</think>", "...",
        "# ", "These issues must be addressed.", "问题：", "引用：", "１２", "5.", "is not", "L3: ", "<!-- ",
    ),
    st.booleans(),
    st.sampled_from((ANSWER, "", "a", "total = 0\n" * 30)),
)  # fmt: skip
def critique(text: str, is_cut: bool, answer: str) -> None:
    """Parse and ground a critique."""
    with bounded():
        grounded = ground(text, answer, is_truncated=is_cut)
    assert grounded.text == text
    for comment in grounded.comments:
        check_place(comment, answer)
    for comment in grounded.ungrounded:
        assert comment.start is None
    rendered = render(grounded.comments)
    again = ground(rendered, answer)
    if grounded.comments:
        assert {comment.quote for comment in again.comments} <= {
            comment.quote for comment in grounded.comments
        }
    parse(text)


@target(
    texts_of(
        "diff --git a/x.py b/x.py\n", "index 1..2 100644\n", "--- a/x.py\n", "+++ b/x.py\n", "--- /dev/null\n",
        "+++ /dev/null\n", "@@ -1 +1 @@\n", "@@ -1,2 +1,3 @@ def f():\n", "@@ -0,0 +1,2 @@\n", "@@@ -1 -1 +1 @@@\n",
        "-old\n", "+new\n", " same\n", "\\ No newline at end of file\n", "Binary files a/x and b/x differ\n",
        '+++ "b/\\303\\251.py"\n', '+++ "b/\\', "rename from a\n", "rename to b\n", "new file mode 100644\n",
        "\x1b[31m-",
        "\x1b[m\n", "@@ -999999999999999999999 +1 @@\n", "+++ b/../../x.py\n", "+++ b/nosuch[/y].py\n",
        "GIT binary patch\n",
        "commit 0123456789abcdef\n", "deleted file mode 100644\n", "similarity index 100%\n", "@@ -1,0 +1,9999 @@\n",
    ),
    st.booleans(),
)  # fmt: skip
def diffs(text: str, with_header: bool) -> None:
    """Split a unified diff into documents."""
    if with_header:
        text = "--- a/x.py\n+++ b/x.py\n@@ -1 +1,2 @@\n-old\n+new\n+more\n" + text
    with bounded():
        try:
            is_diff("x.diff", text)
            result: Any = parse_diff(text)
        except InputError:
            return
    documents = result[0] if isinstance(result, tuple) else result.documents
    for document in documents:
        if document.line_numbers is not None:
            assert len(document.line_numbers) == len(document.lines)
        for index in document.changed_lines or ():
            assert index >= 0


@target(texts_of("line one\n", "line two\n", "\n", "word ", "a", "\x1b]52;c;\x07"), st.data())
def draft_diff(before: str, data: st.DataObject) -> None:
    """Compare two drafts."""
    after = data.draw(texts_of("line one\n", "line two\n", "\n", "word ", "b"))
    with bounded():
        diff = diff_lines(before, after).plain
    assert escape_lines(diff) == diff
    if before == after:
        assert not [line for line in diff.splitlines() if line[:1] in ("-", "+")]


@target(
    texts_of(
        "1", "2", "12", "1,284", "0.333", "1/3", "3.5%", "²", "½", "10^", "**", " + ", " - ", " × ", " * ", " / ", "÷",
        " = ", "≈", "==", "!=", "(", ")", "[", "]", "{", "}", "$", "$$", "\\frac{", "\\sqrt{", "\\cdot ", "\\times ",
        "\\,",
        "\\!", "mod ", "km", " kg", "°C", "€", "%", "...", "so ", "because ", "3:4", "12e400", "9" * 400, "x", "x = ",
        "2 + 2 = 5", "10 / 0 = ", "1,2,3", "1.234,5", "0.(3)", "−", "–", "!", "log(", "sum of ", "百", "三", "|",
    )
)  # fmt: skip
def equations(text: str) -> None:
    """Check the equations of a draft."""
    with bounded():
        comments = asyncio.run(_check_arithmetic(text))
    for comment in comments:
        check_place(comment, text)
        assert comment.text


async def _check_arithmetic(text: str) -> list[Comment]:
    return await arithmetic("", text)


ROWS = st.one_of(
    st.lists(
        st.one_of(
            JSON.map(json.dumps),
            st.fixed_dictionaries({"id": JSON, "question": JSON}).map(json.dumps),
            st.fixed_dictionaries({"messages": JSON}).map(json.dumps),
            st.sampled_from(("[" * 5_000, '{"question": "a"', '{"question": "\\ud800"}', "NaN")),
        ),
        max_size=6,
    ).map(lambda lines: "\n".join(lines).encode()),
    texts_of(
        "id,question\n", "question;context\n", '"', '""', ",", ";", "\t", "1,What?\n", '"a\nb",c\n'
    ).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=200),
)


@target(ROWS, st.sampled_from((".jsonl", ".csv", ".tsv")))
def rows(content: bytes, extension: str) -> None:
    """Read the rows of a dataset."""
    with tempfile.NamedTemporaryFile(suffix=extension) as file:
        file.write(content)
        file.flush()
        with bounded():
            try:
                read = list(read_rows(Path(file.name)))
            except InputError:
                return
    for row in read:
        assert isinstance(row.id, str)


TOKENS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "token": st.sampled_from(("Yes", " no", "**", "\n", "<think>", "Answer", ":")) | JSON,
            "logprob": st.floats() | JSON,
            "top_logprobs": st.lists(
                st.fixed_dictionaries(
                    {"token": st.sampled_from(("Yes", "No")), "logprob": st.floats()}
                ),
                max_size=3,
            )
            | JSON,
        },
    ),
    max_size=6,
)
REPLY = texts_of(
    "Yes", "No", "yes.", "**No**", "Answer: ", "Verdict: ", "\\boxed{Yes}", '{"answer": true}', "<think>", "</think>",
    "I think ", "not ", "Ja", "Non", "是", "否", "{", "}", "final answer", "\n",
)  # fmt: skip


@target(st.lists(REPLY, min_size=1, max_size=4), TOKENS, JSON)
def replies(texts: list[str], tokens: list[Any], metadata: Any) -> None:
    """Read verdicts from texts and logprobs, as providers send them."""
    with bounded():
        verdict = count_votes(texts)
        converted = convert_logprobs({"content": tokens})
        message = AIMessage(
            texts[0],
            response_metadata={"logprobs": {"content": converted}, "finish_reason": metadata},
        )
        reply = normalize_reply(message)
        is_truncated(reply)
        read = read_logprobs(reply)
    assert 0 <= verdict.probability <= 1
    if read is not None:
        assert 0 <= read.probability <= 1


DECISIONS = st.one_of(
    JSON,
    texts_of("{", "}", '"next"', ":", '"accept"', "[", "]", ",", '"actions"'),
    st.fixed_dictionaries(
        {},
        optional={
            "actions": st.lists(
                st.fixed_dictionaries(
                    {"type": st.sampled_from(("keep", "remove", "edit", "add"))},
                    optional={
                        "id": st.integers(0, 3),
                        "quote": st.sampled_from(("total", "absent", " ", "")) | JSON,
                        "start": st.integers(-1, 500),
                        "text": st.sampled_from(("Wrong.", " ")) | JSON,
                        "severity": st.sampled_from(("low", "high", "worst", None)),
                    },
                ),
                max_size=4,
            ),
            "next": st.sampled_from(("continue", "search_again", "accept", "refine", "stop")),
            "length_modifier": st.floats() | JSON,
        },
    ),
)


@target(DECISIONS)
def decisions(reply: Any) -> None:
    """Apply a person's decision to the comments of a review."""
    comments = [Comment(quote="total", text="Wrong.", start=22, end=27)]
    labels = merge_labels(comments, [])
    with bounded():
        try:
            decision = read_decision(reply)
            changed = apply_actions(decision.actions, labels, ANSWER)
        except (ValidationError, InputError):
            return
    for label in changed:
        if label.after is not None:
            check_place(label.after, ANSWER)
