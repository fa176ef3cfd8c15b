"""Python code in drafts, and its positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.python_source import as_code, find_python

FUNCTION = "def f(x):\n    return x\n"


def code_of(draft: str) -> str | None:
    code = find_python(draft)
    return None if code is None else code.text


@pytest.mark.parametrize(
    "draft",
    [
        FUNCTION,
        FUNCTION.replace("\n", "\r\n"),
        "def f(x)\n    return x",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nimport os\n",
        '"""Describe\n\n```python\nx\n```\n"""\n\nimport os\n\n\ndef f():\n    """```python\n    y\n    ```"""\n',
        'print("hello"\n',
        "from x import (\n    y,\n",
        "class A(B):\n\tx = 1\n",
        "for i in range(3):\n    print(i)",
    ],
)
def test_draft_that_looks_like_python_is_all_code(draft: str):
    assert code_of(draft) == draft


@pytest.mark.parametrize(
    "draft",
    [
        "",
        " \n\t\n",
        "42",
        "hello",
        "apple, banana, cherry",
        "The answer is 42.",
        "Total = price + tax",
        "x = 5\ny = 7",
        "If you sort the words, do this:\n- one\n- two",
        "const x = 1;\nfunction f() {\n  return 1;\n}\n",
        'import { a } from "b";\nexport default a;\n',
        "import java.util.List;\n\npublic class A {\n  int x = 1;\n}\n",
        "#include <stdio.h>\nint main() {\n  return 0;\n}\n",
        "module Main where\nimport Data.List\nmain = print 1\n",
        "class A\n  def f(x)\n    x\n  end\nend\n",
        "<html>\n<body>\n</body>\n</html>",
        "SELECT a FROM b;",
        "\x00\x01\x02PNG\x00\xff" * 100,
        "```js\nlet x = 1\n```",
        "```python\n>>> f(2)\n4\n```",
        "```\nfig\nkiwi\n```",
        "Some `code` in a line, and ``` in the middle of a line.",
    ],
)
def test_draft_in_another_language_has_no_code(draft: str):
    assert find_python(draft) is None


@pytest.mark.parametrize(
    "draft",
    [
        f"Here it is:\n\n```python\n{FUNCTION}```\nDone.",
        f"```py\n{FUNCTION}```",
        f"~~~ Python title=x\n{FUNCTION}~~~",
        f"```{{.python}}\n{FUNCTION}```",
        f"# A heading\n\n```\n{FUNCTION}```\n\n```bash\nrm -rf a very long line that is longer\n```",
        f"```python\nx = 1\n```\nand\n```python\n{FUNCTION}```",
        f"```python\n{FUNCTION}",
        f"````markdown\n```js\nx\n```\n````\n\n```python\n{FUNCTION}```",
    ],
)
def test_largest_python_block_of_markdown_is_the_code(draft: str):
    code = find_python(draft)
    assert code is not None
    assert code.text == FUNCTION
    assert draft[code.offset(2, 4) :].startswith("return x")


def test_fence_inside_a_longer_fence_is_code():
    inside = 'def f():\n    """Gives\n    ```\n    x\n    ```\n    """\n'
    assert code_of(f"Text\n````python\n{inside}````\nmore") == inside


def test_block_in_a_list_is_dedented_and_keeps_its_positions():
    draft = "1. so:\r\n\r\n   ```python\r\n   def f(x):\r\n\r\n       return y\r\n   ```\r\n"
    code = find_python(draft)
    assert code is not None
    assert code.text == "def f(x):\r\n\r\n    return y\r\n"
    assert draft[code.offset(3, 4) : code.offset(3, 12)] == "return y"


def test_byte_order_mark_is_not_code():
    code = find_python("\ufeff" + FUNCTION)
    assert code is not None
    assert (code.text, code.offset(1, 0)) == (FUNCTION, 1)


def test_long_runs_of_fence_characters_are_parsed_fast():
    for draft in (
        "`" * 5_000_000,
        "```\n" * 200_000,
        "~" * 10 + "\n" + " " * 1_000_000,
        "``` " * 500_000,
    ):
        find_python(draft)


@given(st.text(alphabet="ab🙂\t\x0c\x0b\u2028\r\n", max_size=60))
def test_positions_of_code_and_draft_agree(draft: str):
    code = as_code(draft)
    assert code.text == draft
    for row, line in enumerate(code.lines, 1):
        assert draft[code.offset(row, 0) : code.offset(row, len(line))] == line
        assert code.column_from_utf16(row, len(line.encode("utf-16-le")) // 2) == len(line)
        assert code.column_from_utf8(row, len(line.encode())) == len(line)
    assert code.offset(len(code.lines) + 9, 10**9) == len(draft)


@given(st.text())
def test_any_draft_is_parsed_and_its_lines_are_located(draft: str):
    for text in (draft, f"```python\n{draft}\n```", f"  ```py\n{draft}"):
        code = find_python(text)
        if code is None:
            continue
        for start, line in zip(code.starts, code.lines, strict=True):
            assert text[start : start + len(line)] == line
