"""Solve HumanEval-style problems: turn replies into modules, and docstring examples into evidence.

The metadata of such a record has the `prompt` (Python source that ends with a signature and docstring), the
`entry_point` (the function's name) and the hidden `tests`. Only the prompt and its examples reach a model.
"""

import ast
import asyncio
import re
import textwrap
from collections.abc import Iterator

from selfcritic.agent.checkers.docstring_examples import docstring_tests
from selfcritic.agent.checkers.findings import locate_comment, place_on_draft
from selfcritic.agent.checkers.python_source import is_valid_python
from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.protocols import Checker
from selfcritic.agent.schemas import Comment

_INSTRUCTION = "Complete this Python function. Write the whole function."
_SECONDS = 10.0
_MAX_LINES_CUT = 60
_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*$", re.MULTILINE)
_CODE_START = re.compile(r"^(?:async[ \t]+def|def|class|import|from|@)[ \t]*\w", re.MULTILINE)


def is_code_problem(record: AnswerRecord) -> bool:
    """Whether the record is a function to write, with a prompt and hidden tests."""
    return all(record.metadata.get(key) for key in ("prompt", "entry_point", "tests"))


def without_solution(record: AnswerRecord) -> AnswerRecord:
    """Return the task without its answer, as a question to a model."""
    question = record.question
    if is_code_problem(record):
        prompt = str(record.metadata["prompt"]).strip()
        question = f"{_INSTRUCTION}\n\n```python\n{prompt}\n```"
    update = {
        "question": question,
        "answer": "",
        "origin": "natural",
        "is_correct": None,
        "quality": None,
        "bugs": None,
    }
    return record.model_copy(update=update)


def example_checker(record: AnswerRecord) -> Checker | None:
    """Return a checker that runs the examples of the problem's docstring, or None without any.

    The checker knows the prompt only, not the hidden tests. Findings have the source "docstring_examples".
    """
    prompt = str(record.metadata.get("prompt", ""))
    entry_point = str(record.metadata.get("entry_point", ""))
    tests = docstring_tests(prompt, entry_point, seconds=_SECONDS)
    if tests is None:
        return None

    async def docstring_examples(_: str, draft: str, /) -> list[Comment]:
        module = complete_module(draft, prompt, entry_point)
        findings = await asyncio.to_thread(tests.check, module, "docstring_examples", entry_point)
        return [_place(finding, draft) for finding in findings]

    return docstring_examples


def with_examples(record: AnswerRecord, context: Context) -> Context:
    """Return the options with the docstring's examples as a further checker."""
    checker = example_checker(record)
    if checker is None:
        return context
    return context.model_copy(update={"checkers": [*context.checkers, checker]})


def _place(finding: Comment, draft: str) -> Comment:
    """Move a finding from the module to the draft that it was made of."""
    unplaced = finding.model_copy(update={"start": None, "end": None})
    return locate_comment(unplaced, draft) or place_on_draft(unplaced, draft)


def complete_module(reply: str, prompt: str, entry_point: str) -> str:
    """Turn a reply to a code problem into a module.

    The code is the last fenced block that defines the function, else the longest block, else the whole reply without
    the prose around its code. What precedes the function in the prompt, such as imports, comes first. If the function
    is missing, the code is its body: it is indented where needed, and the whole prompt comes first.
    """
    reply = reply.replace("\r\n", "\n")
    definition = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", re.MULTILINE)
    blocks = list(_find_blocks(reply))
    complete = [block for block in blocks if definition.search(block)]
    if complete:
        return _join(_header(prompt, definition), _cut_prose(complete[-1]))
    code = max(blocks, key=len, default=reply)
    dedented = textwrap.dedent(code)
    if definition.search(dedented):
        start = _CODE_START.search(dedented)
        code = dedented[start.start() if start else 0 :]
        return _join(_header(prompt, definition), _cut_prose(code))
    return _complete_body(code, prompt, entry_point)


def _find_blocks(reply: str) -> Iterator[str]:
    """Yield the code of fenced blocks, dedented; the last one may lack its closing fence."""
    start: int | None = None
    opening = ""
    for match in _FENCE.finditer(reply):
        if start is None:
            start, opening = match.end() + 1, match["fence"]
        elif match["fence"].startswith(opening) and match[0].strip() == match["fence"]:
            yield textwrap.dedent(reply[start : match.start()])
            start = None
    if start is not None:
        yield textwrap.dedent(reply[start:])


def _header(prompt: str, definition: re.Pattern[str]) -> str:
    """Return what precedes the function in the prompt."""
    match = definition.search(prompt)
    return prompt[: match.start()] if match else ""


def _join(header: str, code: str) -> str:
    header = header.strip()
    if not header or code.lstrip().startswith(header):
        return code
    if "from __future__" in code:
        return f"{code}\n"  # must be the first statement
    return f"{header}\n\n\n{code}"


def _cut_prose(code: str) -> str:
    """Drop text after the code until the code parses; return it unchanged if it never does."""
    for text in _shorten(code):
        if is_valid_python(text):
            return f"{text}\n"
    return code


def _shorten(code: str) -> Iterator[str]:
    """Yield the code, then the code up to each unindented line, from the last one on."""
    lines = code.rstrip().split("\n")
    yield "\n".join(lines)
    for end in range(len(lines) - 1, max(0, len(lines) - _MAX_LINES_CUT), -1):
        if lines[end] and not lines[end][0].isspace():
            yield "\n".join(lines[:end]).rstrip()


def _complete_body(code: str, prompt: str, entry_point: str) -> str:
    """Append a function's body to the prompt, with the first indentation that parses."""
    prompt = f"{prompt.rstrip()}\n"
    body = code.strip("\n").expandtabs(4)
    for text in _shorten(body):
        for candidate in _indentations(text):
            module = f"{prompt}{candidate}\n"
            if _has_body(module, entry_point):
                return module
    return f"{prompt}{textwrap.indent(body, '    ')}\n"


def _indentations(body: str) -> Iterator[str]:
    """Yield a body with the indentations that it may be meant to have."""
    first, _, rest = body.partition("\n")
    if first[:1].isspace():
        yield body
    elif all(line[:4].isspace() or not line for line in rest.split("\n")):
        yield f"    {body}"  # the loop strips replies, so the first line lost its indentation
    yield textwrap.indent(textwrap.dedent(body), "    ")


def _has_body(module: str, entry_point: str) -> bool:
    """Whether the module parses, and its function has statements after the docstring."""
    if not is_valid_python(module):
        return False
    for node in ast.parse(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry_point:
            return len(node.body) > 1
    return False
