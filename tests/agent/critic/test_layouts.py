"""Read critiques in other layouts; no layout yields a wrong or hallucinated quote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.grounding import ground
from selfcritic.prompts import available, load
from tests.support.critiques import ANY_TEXT, comment, reproducible

CITY = "The capital of Australia is Sydney. It was founded in 1913."
SYDNEY = "The capital of Australia is Sydney."
YEAR = "It was founded in 1913."
MEAN = "def mean(xs):\n    return sum(xs) / len(xs)"


def read(text: str, answer: str = CITY, **options: object) -> list[tuple[str, str]]:
    critique = ground(text, answer, **options)
    return [(found.quote, found.text) for found in critique.comments]


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        (f"> {SYDNEY}\n\nWrong. It is Canberra.", [(SYDNEY, "Wrong. It is Canberra.")]),
        (
            f"The first names the wrong city:\n```\n{SYDNEY}\n```\n\n"
            f"The year is Canberra's:\n```\n{YEAR}\n```\n",
            [(SYDNEY, "The first names the wrong city:"), (YEAR, "The year is Canberra's:")],
        ),
        (f"```\n{SYDNEY}\n```\nIt is wrong.\n\n## Issue 2: year\n", [(SYDNEY, "It is wrong.")]),
        (
            f"1.\n```\n{SYDNEY}\n```\nWrong.\n\n2.\n```\n{YEAR}\n```\nToo.",
            [(SYDNEY, "Wrong."), (YEAR, "Too.")],
        ),
        (f"- “{SYDNEY}” — wrong", [(SYDNEY, "wrong")]),
        (f"1. **“{YEAR}”** – wrong", [(YEAR, "wrong")]),
        (f"Quote: {SYDNEY}\nIssue: Wrong.\nFix: Canberra.", [(SYDNEY, "Wrong.\nFix: Canberra.")]),
        (f"```markdown\n```\n{SYDNEY}\n```\nWrong.\n```", [(SYDNEY, "Wrong.")]),
        (f"```\n{SYDNEY}\n[high] Wrong.\n```", [(SYDNEY, "Wrong.")]),
        (f"```\n{SYDNEY}\n```\n```\n{YEAR}\n```\nWrong.", [(SYDNEY, "Wrong."), (YEAR, "Wrong.")]),
        (f"| Quote | Issue |\n|---|---|\n| {SYDNEY} | Wrong. |", [(SYDNEY, "Wrong.")]),
        (f'[{{"quote": "{YEAR}", "comment": "Wrong."}}]', [(YEAR, "Wrong.")]),
        (f"<quote>{YEAR}</quote>\n<issue>Wrong.</issue>", [(YEAR, "Wrong.")]),
        (
            f"```\n{SYDNEY}\n```\nIt should be:\n```\nIt is Canberra.\n```\n",
            [(SYDNEY, "It should be:\n\n    It is Canberra.")],
        ),
        (
            f"```\n{SYDNEY}\n```\nWrong.\n\n```\nIt is Canberra.\n```\nThis fixes it.",
            [(SYDNEY, "Wrong.\n\n    It is Canberra.\n\nThis fixes it.")],
        ),
        (
            f"```\n{SYDNEY}\n```\nWrong.\n\nIt is Canberra.\n\nOverall, check the facts.",
            [(SYDNEY, "Wrong.\n\nIt is Canberra.")],
        ),
        (f"{SYDNEY}\n```\nWrong.\n\n```\n{YEAR}\n```\nToo.", [(SYDNEY, "Wrong."), (YEAR, "Too.")]),
        (f"```\n1: {SYDNEY}\n```\nWrong.", [(SYDNEY, "Wrong.")]),
        (f'```\n"{YEAR}"\n```\nWrong.', [(YEAR, "Wrong.")]),
        (f"<think>\n```\n{YEAR}\n```\nHm.\n</think>\n```\n{SYDNEY}\n```\nWrong.", [(SYDNEY, "Wrong.")]),
        (f"```\n{YEAR}\n```\nHm.\n</think>\n```\n{SYDNEY}\n```\nWrong.", [(SYDNEY, "Wrong.")]),
        (f"<think>\n```\n{YEAR}\n```\nIs this right?", []),
        ("The answer is wrong about the capital.", []),
        ('It says "Melbourne is the capital".', []),
        ('The "capital" is wrong.', []),
        (f"### Strengths\n- “{YEAR}” is right\n\n### Weaknesses\n- None", []),
    ],
)  # fmt: skip
def test_reads_layouts(text: str, comments: list[tuple[str, str]]) -> None:
    assert read(text) == comments


def test_reads_indented_fences_in_lists() -> None:
    text = "*   **Empty list**\n\n    ```python\n    return sum(xs) / len(xs)\n    ```\n    [high] Zero."
    assert read(text, MEAN) == [("return sum(xs) / len(xs)", "Zero.")]


def test_reads_fences_around_fences() -> None:
    answer = "Run:\n```bash\npip install foo\n```\nDone."
    quote = "```bash\npip install foo\n```"
    assert read(f"```\n{quote}\n```\n[high] Pin it.", answer) == [(quote, "Pin it.")]


def test_other_layouts_are_read_only_without_a_located_comment() -> None:
    assert read(f"- “{YEAR}” — wrong\n\n```\n{SYDNEY}\n```\nWrong.") == [(SYDNEY, "Wrong.")]


def test_drops_the_example_of_the_prompt() -> None:
    example = comment("words of the answer", "What is wrong with them.", severity="high")
    for text in (
        "```\nwords of the answer\n```\n[high] What is wrong with them.",
        f"```\n{SYDNEY}\n```\nwhat is  wrong with them",
        "```\nwords of the answer\n```\nIt is Canberra.",
    ):
        critique = ground(text, CITY, examples=[example])
        assert (critique.comments, critique.ungrounded) == ([], [])


@pytest.mark.parametrize(
    "label", ["Critiqueable:", "Answer:", "Question:", "**Critique:**", "Helpful:"]
)
def test_drops_labels_of_the_prompt(label: str) -> None:
    assert read(f"```\n{SYDNEY}\n```\n{label}") == []


@pytest.mark.parametrize("name", available())
def test_finds_the_example_of_a_prompt_set(name: str) -> None:
    prompt_set = load(name)
    has_fence = "```" in prompt_set.templates["critique"].template
    assert bool(prompt_examples(prompt_set)) == has_fence
    assert all(example.text for example in prompt_examples(prompt_set))


@pytest.mark.parametrize(
    ("end", "quotes"),
    [
        ("[high] It is Canb", [SYDNEY]),
        ("[high] It is Canberra.", [SYDNEY, YEAR]),
        ("", [SYDNEY]),
        ("[high] It is Canberra.\n\n## Issue", [SYDNEY, YEAR]),
    ],
)
def test_truncated_reply_loses_its_cut_comment(end: str, quotes: list[str]) -> None:
    text = f"```\n{SYDNEY}\n```\nWrong, I thi\n\n```\n{YEAR}\n```\n{end}"
    critique = ground(text, CITY, is_truncated=True)
    assert critique.is_truncated
    assert [found.quote for found in critique.comments] == quotes


MARKUP = (
    "```", "````", "~~~", "    ```", "- ```", "> ", "- ", "* ", "1. ", "2) ", "# ", "**", "`", '"', "“", "”", "„",
    "«", "»", "「", "」", "|", "|---|", "\n| a | b |\n|---|---|\n", "Quote: ", "Issue: ", "原文：", "Line 5: ",
    "[high] ", "High: ", "**[low]** ", "Severity: high", '{"quote": "', '", "comment": "', '"}', "[", "]", "<quote>",
    "</quote>", "<think>", "</think>", " — ", ": ", "…", "Overall, ", "It should be:", "---", "\\|", "one two", "three",
    "里昂", "1913", "\n", "\n", "\n\n", "\t", " ",
)  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(MARKUP), max_size=40).map("".join)


@reproducible
@given(MARKDOWN, st.sampled_from(["one two three 里昂 1913", "`one two`\n```\nthree\n```\n", ""]))
def test_reads_any_markdown(text: str, answer: str) -> None:
    for is_truncated in (False, True):
        critique = ground(text, answer, is_truncated=is_truncated)
        for found in critique.comments:
            assert answer[found.start : found.end] == found.quote
            assert found.quote.strip()
            assert found.text == found.text.strip() != ""


@reproducible
@given(ANY_TEXT, ANY_TEXT)
def test_reads_any_text(text: str, answer: str) -> None:
    critique = ground(f'- "{answer}" — {text}', answer)
    assert all(answer[found.start : found.end] == found.quote for found in critique.comments)


UNITS = [
    "> ", "> a\n\nb\n\n", '- "a" - b\n', "“", "“a” - b\n\n", "| a | b |\n", "|---|\n", "[", '[{"a":', "{",
    "Quote: a\nIssue: b\n", "**a**\n", "# a\n", "1. \n", "1. a\n```\na\n```\n", "a:\n```\na\n```\n", "<quote>a</quote>",
    "<quote>", "```\na\n[high] b\n```\n", "```\na\n```\n", "    ```\n", "- - - - ", "a…", "...", "'a' ", "**[high]**",
    "word ", '"', "```x\n", "<think>", "\n" + " " * 99 + "<--",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_reads_long_critiques_of_any_layout(unit: str) -> None:
    text = unit * (99_000 // len(unit))
    assert all(found.quote == "a" for found in ground(text, "a").comments)
