"""Let a model insert one bug, or describe one; parse and check its replies."""

import io
import re
import tokenize

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.edits import Edit, find_edit
from selfcritic.agent.data.tampering.flaws import find_code_span
from selfcritic.agent.data.tampering.operators import is_new_code

_INSERT = """\
Insert one subtle bug into the code below, for a code review exercise.

- The bug changes what the code returns for some inputs. The code still runs and does not raise an exception.
- Change one place only, and several tokens of it. Leave everything else exactly as it is.
- Do not add, change or remove comments or docstrings, and do not hint at the bug.

Reply with the whole changed code in one Python block, then one line that describes the bug as a reviewer would:

```python
def count_positive(numbers):
    return sum(1 for number in numbers if number >= 0)
```
Bug: Zero is counted as positive; the comparison must be `number > 0`.

The code answers this question:
{question}

The code:
```python
{code}
```
"""

_DESCRIBE = """\
Describe the bug in the code below in one or two sentences, as a reviewer would. Say what is wrong, what it causes, \
and what the line should be. Do not mention that the code was changed. Reply with the description only.

The code:
```python
{code}
```

The wrong line:
{after}

The correct line:
{before}

A test that fails: {evidence}
"""

_BLOCK = re.compile(r"```[^\n`]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_BUG = re.compile(r"^[ \t*_]*Bug[ \t*_]*:[ \t*_]*(\S[^\n]*)", re.IGNORECASE | re.MULTILINE)
_MIN_TOKENS = 2
_MAX_DESCRIPTION_CHARS = 1000


class RewriteRejected(ValueError):  # noqa: N818 - not a failure: another reply is sampled
    """A model's reply that is not one subtle bug; the message has the reason."""


def insertion_prompt(record: AnswerRecord) -> str:
    """Return the request to insert one bug."""
    _, code = find_code_span(record)
    return _INSERT.format(question=record.question.strip(), code=code.rstrip("\n"))


def description_prompt(code: str, before: str, after: str, evidence: str) -> str:
    """Return the request to describe one bug, with the line before and after it was inserted."""
    return _DESCRIBE.format(
        code=code.rstrip("\n"), before=before, after=after, evidence=evidence or "unknown"
    )


def read_description(reply: str) -> str:
    """Return the description in a reply; empty if it has only code."""
    text = _BLOCK.sub("", reply).strip()
    match = _BUG.match(text)
    text = match[1] if match else text
    return text.strip()[:_MAX_DESCRIPTION_CHARS]


def read_insertion(reply: str, record: AnswerRecord, model: str) -> Edit:
    """Return the edit that a reply makes.

    Raises:
        RewriteRejected: The reply has no changed code, changes several places or comments, or is not valid Python.
    """
    start, code = find_code_span(record)
    blocks = _BLOCK.findall(reply)
    if not blocks:
        raise RewriteRejected("no code block")
    changed = max(blocks, key=len)
    # Models drop or add blank lines at the ends.
    core = code.strip("\n")
    head, tail = code[: code.index(core)], code[code.index(core) + len(core) :]
    changed = head + changed.strip("\n") + tail
    if not is_new_code(code, changed):
        raise RewriteRejected("the code does the same, or is not valid Python")
    if _comments(changed) != _comments(code):
        raise RewriteRejected("comments or docstrings changed")
    bug = _BUG.search(reply)
    description = bug[1].strip(" *_") if bug else ""
    edit = find_edit(code, changed, f"model:{model}", description)
    if edit is None:
        raise RewriteRejected("the code is unchanged")
    edit = _whole_lines(code, edit)
    _check_size(code, edit)
    return Edit(
        start + edit.start, start + edit.end, edit.replacement, edit.source, edit.description
    )


def _whole_lines(code: str, edit: Edit) -> Edit:
    """Widen an edit to whole lines, so that its tokens can be compared."""
    first = code.rfind("\n", 0, edit.start) + 1
    last = code.find("\n", edit.end)
    last = len(code) if last < 0 else last
    replacement = code[first : edit.start] + edit.replacement + code[edit.end : last]
    return Edit(first, last, replacement, edit.source, edit.description)


def _check_size(code: str, edit: Edit) -> None:
    """Raise RewriteRejected if an edit is one token, or more than one place."""
    before = code[edit.start : edit.end].split("\n")
    after = edit.replacement.split("\n")
    unchanged = {line.strip() for line in before[1:-1] if line.strip()} & {
        line.strip() for line in after[1:-1]
    }
    if unchanged:
        raise RewriteRejected("several places changed")
    old = re.findall(r"\w+|[^\w\s]", "\n".join(before))
    new = re.findall(r"\w+|[^\w\s]", "\n".join(after))
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    shared_tail = 0
    while (
        shared_tail < min(len(old), len(new)) - shared
        and old[-1 - shared_tail] == new[-1 - shared_tail]
    ):
        shared_tail += 1
    num_changed = max(len(old), len(new)) - shared - shared_tail
    if num_changed < _MIN_TOKENS:
        raise RewriteRejected("only one token changed")


def _comments(code: str) -> list[str]:
    """Return the comments and the strings that are statements, such as docstrings."""
    texts = []
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        is_statement = previous in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and is_statement):
            texts.append(token.string)
        previous = token.type
    return texts
