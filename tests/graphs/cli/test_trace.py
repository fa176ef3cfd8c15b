"""What a person sees of a run, in a terminal and in a pipe."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from selfcritic.agent import Candidate, Comment, Critique, Round, Usage
from selfcritic.graphs.cli.trace import Trace, diff, marked


def comment(start: int, end: int) -> Comment:
    return Comment(quote="", text="", start=start, end=end)


def shown(node: str, terminal: bool = False, **update) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, highlight=False)
    with Trace(console) as trace:
        trace.show(node, update)
    return console.file.getvalue()


def test_spans_that_overlap_are_marked_as_one():
    assert marked("abcdef", [comment(0, 3), comment(2, 5)], plain=True).plain == "»abcde«f"


@given(st.text(), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_marking_changes_no_character(answer: str, spans: list[tuple[int, int]]):
    comments = [comment(start, end) for start, end in spans if start <= end <= len(answer)]
    assert marked(answer, comments, plain=False).plain == answer
    plain = marked(answer, comments, plain=True).plain
    assert plain.replace("»", "").replace("«", "") == answer.replace("»", "").replace("«", "")


def test_a_diff_shows_what_went_and_what_came():
    assert diff("a\nb\nc", "a\nB\nc").plain == "  a\n- b\n+ B\n  c"


def test_a_terminal_gets_colours_and_a_pipe_plain_lines():
    rounds = [Round(answer="two words", critiques=[Critique(text="", comments=[comment(0, 3)], selected=True)])]
    assert "\x1b[30;43mtwo\x1b[0m" in shown("select", terminal=True, rounds=rounds)
    assert "»two« words" in shown("select", rounds=rounds)


def test_markup_in_a_draft_is_text():
    assert "[bold]not markup[/bold]" in shown("generate", rounds=[Round(answer="[bold]not markup[/bold]")])


def test_equal_critiques_are_shown_once_with_their_number():
    one = Critique(text="", comments=[Comment(quote="a", text="Wrong.", start=0, end=1)], helpfulness=0.7)
    text = shown("select", rounds=[Round(answer="a", critiques=[one] * 3)])
    assert text.count("Wrong.") == 1
    assert "0.70  Wrong.  (×3)" in text


def test_several_drafts_are_shown_with_their_measures():
    candidates = [Candidate(answer=word, p_critiqueable=p) for word, p in (("one", 0.9), ("two", 0.2))]
    draft = Round(answer="two", p_critiqueable=0.2, judged_by="logprobs", candidates=candidates)
    assert "the least critiqueable of 0.90, 0.20:" in shown("classify", rounds=[draft], best_round=0)


def test_the_end_says_why_and_what_was_spent():
    console = Console(file=io.StringIO(), width=80)
    Trace(console).end("budget", 1, Usage(calls=7, input_tokens=1200, output_tokens=30))
    assert "the budget is spent; the answer is draft 1" in console.file.getvalue()
    assert "7 calls, 1,200 tokens in, 30 out" in console.file.getvalue()


def test_what_checkers_found_is_shown_before_any_opinion():
    finding = Comment(quote="a", text="Not\nso.", source="atlas")
    text = shown("classify", rounds=[Round(answer="a", p_critiqueable=0.2, findings=[finding])], best_round=0)
    assert text.index("atlas Not so.") < text.index("P(critiqueable) 0.20")


def test_a_search_is_shown_as_any_critiques_are():
    one = Critique(text="", comments=[comment(0, 1)], helpfulness=0.7, selected=True)
    assert shown("fsbs", rounds=[Round(answer="a", critiques=[one])]) == shown(
        "select", rounds=[Round(answer="a", critiques=[one])]
    )


def test_a_run_that_a_failure_ended_says_which():
    console = Console(file=io.StringIO(), width=80, highlight=False)
    with Trace(console) as trace:
        trace.show(
            "classify", {"rounds": [Round(answer="a")], "best_round": 0, "error": "The key is wrong. Set a key."}
        )
        trace.end("model_error", 0, Usage())
    text = console.file.getvalue()
    assert "  not judged\n" in text
    assert "a model failed; the answer is draft 0\n  The key is wrong. Set a key.\n" in text
