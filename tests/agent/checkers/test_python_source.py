"""Python found in drafts of every kind, and each place of it in the draft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.python_source import as_code, find_python

FUNCTION = "def f(x):\n    return x\n"


def text_of(draft: str) -> str | None:
    code = find_python(draft)
    return None if code is None else code.text


@pytest.mark.parametrize(
    "draft",
    [
        FUNCTION,
        FUNCTION.replace("\n", "\r\n"),
        "def f(x)\n    return x",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nimport os\n",
        '"""Says\n\n```python\nx\n```\n"""\n\nimport os\n\n\ndef f():\n    """```python\n    y\n    ```"""\n',
        'print("hello"\n',
        "from x import (\n    y,\n",
        "class A(B):\n\tx = 1\n",
        "for i in range(3):\n    print(i)",
    ],
)
def test_a_draft_that_is_plainly_python_is_code_as_a_whole(draft: str):
    assert text_of(draft) == draft


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
        "Some `code` in a line, and ``` a fence that is none.",
    ],
)
def test_other_drafts_have_no_code(draft: str):
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
def test_in_markdown_it_is_the_largest_block_of_python(draft: str):
    code = find_python(draft)
    assert code is not None
    assert code.text == FUNCTION
    assert draft[code.offset(2, 4) :].startswith("return x")


def test_fences_within_a_longer_fence_are_code():
    inside = 'def f():\n    """Gives\n    ```\n    x\n    ```\n    """\n'
    assert text_of(f"Text\n````python\n{inside}````\nmore") == inside


def test_a_block_in_a_list_loses_its_indentation_but_not_its_place():
    draft = "1. so:\r\n\r\n   ```python\r\n   def f(x):\r\n\r\n       return y\r\n   ```\r\n"
    code = find_python(draft)
    assert code is not None
    assert code.text == "def f(x):\r\n\r\n    return y\r\n"
    assert draft[code.offset(3, 4) : code.offset(3, 12)] == "return y"


def test_a_byte_order_mark_is_no_code():
    code = find_python("\ufeff" + FUNCTION)
    assert code is not None
    assert (code.text, code.offset(1, 0)) == (FUNCTION, 1)


def test_long_runs_of_marks_are_read_in_no_time():
    for draft in ("`" * 5_000_000, "```\n" * 200_000, "~" * 10 + "\n" + " " * 1_000_000, "``` " * 500_000):
        find_python(draft)


@given(st.text(alphabet="ab🙂\t\x0c\x0b\u2028\r\n", max_size=60))
def test_every_place_of_a_whole_draft_is_its_own(draft: str):
    code = as_code(draft)
    assert code.text == draft
    for row, line in enumerate(code.lines, 1):
        assert draft[code.offset(row, 0) : code.offset(row, len(line))] == line
        assert code.column_from_utf16(row, len(line.encode("utf-16-le")) // 2) == len(line)
        assert code.column_from_utf8(row, len(line.encode())) == len(line)
    assert code.offset(len(code.lines) + 9, 10**9) == len(draft)


@given(st.text())
def test_whatever_a_draft_holds_it_is_read(draft: str):
    for text in (draft, f"```python\n{draft}\n```", f"  ```py\n{draft}"):
        code = find_python(text)
        assert code is None or all(
            text[start : start + len(line)] == line for start, line in zip(code.starts, code.lines, strict=True)
        )
