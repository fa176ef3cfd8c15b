"""Output of a run in a terminal and in a pipe."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from selfcritic.agent import Candidate, Comment, Critique, Round, Usage
from selfcritic.graphs.cli.trace import Trace, mark_quotes
from selfcritic.graphs.control_characters import escape_lines


def make_comment(start: int, end: int) -> Comment:
    return Comment(quote="", text="", start=start, end=end)


def make_console(is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=80, highlight=False)


def render(node: str, is_terminal: bool = False, **update) -> str:
    """Print one node's update."""
    console = make_console(is_terminal)
    with Trace(console) as trace:
        trace.show(node, update)
    return console.file.getvalue()


def test_marks_overlapping_quotes_as_one():
    comments = [make_comment(0, 3), make_comment(2, 5)]
    assert mark_quotes("abcdef", comments, is_plain=True).plain == "»abcde«f"


@given(st.text(), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_marking_changes_no_character(answer: str, spans: list[tuple[int, int]]):
    comments = [make_comment(start, end) for start, end in spans if start <= end <= len(answer)]
    expected = escape_lines(answer)
    assert mark_quotes(answer, comments, is_plain=False).plain == expected
    without_marks = str.maketrans("", "", "»«")
    plain = mark_quotes(answer, comments, is_plain=True).plain
    assert plain.translate(without_marks) == expected.translate(without_marks)


def test_a_terminal_gets_colors_and_a_pipe_plain_lines():
    critique = Critique(text="", comments=[make_comment(0, 3)], selected=True)
    rounds = [Round(answer="two words", critiques=[critique])]
    assert "\x1b[30;43mtwo\x1b[0m" in render("select", is_terminal=True, rounds=rounds)
    assert "»two« words" in render("select", rounds=rounds)


def test_prints_markup_in_a_draft_as_text():
    assert "[bold]not markup[/bold]" in render(
        "generate", rounds=[Round(answer="[bold]not markup[/bold]")]
    )


def test_prints_equal_critiques_once_with_their_count():
    comment = Comment(quote="a", text="Wrong.", start=0, end=1)
    critique = Critique(text="", comments=[comment], helpfulness=0.7)
    text = render("select", rounds=[Round(answer="a", critiques=[critique] * 3)])
    assert text.count("Wrong.") == 1
    assert "0.70  Wrong.  (×3)" in text


def test_reports_critiques_that_quote_nothing():
    rounds = [Round(answer="a", critiques=[Critique(text="b", unparsed="b")] * 2)]
    console = make_console()
    with Trace(console) as trace:
        trace.show("select", {"rounds": rounds})
        trace.end("no_helpful_critique", 0, Usage())
    text = console.file.getvalue()
    assert "2 critiques  P(helpful) first; 2 quoted nothing in the draft" in text
    assert "Stopped  no critique quoted the draft; the answer is draft 0" in text


def test_counts_ungrounded_comments():
    critique = Critique(text="", ungrounded=[Comment(quote="b", text="Where?")], helpfulness=0.1)
    text = render("select", rounds=[Round(answer="a", critiques=[critique])])
    assert "0.10  no grounded comment  (1 ungrounded comments dropped)" in text


def test_prints_the_probabilities_of_several_drafts():
    candidates = [
        Candidate(answer="one", p_critiqueable=0.9),
        Candidate(answer="two", p_critiqueable=0.2),
    ]
    draft = Round(answer="two", p_critiqueable=0.2, judged_by="logprobs", candidates=candidates)
    assert "the least critiqueable of 0.90, 0.20:" in render(
        "classify", rounds=[draft], best_round=0
    )


def test_end_prints_the_stop_reason_and_the_usage():
    console = make_console()
    Trace(console).end("budget", 1, Usage(calls=7, input_tokens=1200, output_tokens=30))
    text = console.file.getvalue()
    assert "the budget is spent; the answer is draft 1" in text
    assert "7 calls, 1,200 tokens in, 30 out" in text


def test_prints_findings_before_the_judgment():
    finding = Comment(quote="a", text="Not\nso.", source="atlas")
    draft = Round(answer="a", p_critiqueable=0.2, findings=[finding])
    text = render("classify", rounds=[draft], best_round=0)
    assert text.index("atlas Not so.") < text.index("P(critiqueable) 0.20")


def test_prints_fsbs_critiques_as_any_others():
    critique = Critique(text="", comments=[make_comment(0, 1)], helpfulness=0.7, selected=True)
    rounds = [Round(answer="a", critiques=[critique])]
    assert render("fsbs", rounds=rounds) == render("select", rounds=rounds)


def test_end_prints_the_error_that_ended_the_run():
    console = make_console()
    update = {
        "rounds": [Round(answer="a")],
        "best_round": 0,
        "error": "The key is wrong. Set a key.",
    }
    with Trace(console) as trace:
        trace.show("classify", update)
        trace.end("model_error", 0, Usage())
    text = console.file.getvalue()
    assert "  not judged\n" in text
    assert "a model failed; the answer is draft 0\n  The key is wrong. Set a key.\n" in text
