import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.models.thinking import ThinkingFilter, strip_thinking

FORMS = [
    ("<think>\nhm\n</think>\n\nParis.", "Paris.", "hm"),
    ("<thinking>hm</thinking>Paris.", "Paris.", "hm"),
    ("  <think></think>Paris.", "Paris.", ""),
    ("hm\n</think>\n\nParis.", "Paris.", "hm"),
    ("<think>hm, it could be", "", "hm, it could be"),
    ("<think>a</think><think>b</think>Paris.", "Paris.", "a\n\nb"),
    ("[THINK]hm[/THINK]Paris.", "Paris.", "hm"),
    ("◁think▷hm◁/think▷Paris.", "Paris.", "hm"),
    ("Paris.", "Paris.", ""),
    ("", "", ""),
    ("The tag `</think>` ends it.", "The tag `</think>` ends it.", ""),
    ("Write <think> first.", "Write <think> first.", ""),
    ("<thinker>Paris</thinker>", "<thinker>Paris</thinker>", ""),
]


@pytest.mark.parametrize(("reply", "text", "thinking"), FORMS)
def test_thinking_is_removed(reply: str, text: str, thinking: str):
    stripped = strip_thinking(reply)
    assert (stripped.text, stripped.thinking) == (text, thinking)


@pytest.mark.parametrize(("reply", "text", "thinking"), FORMS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_has_the_same_text(reply: str, text: str, thinking: str, size: int):
    holds_all = "</think>" in reply and "<think>" not in reply  # a lone closing tag
    thinking_filter = ThinkingFilter(holds_all=holds_all)
    pieces = [thinking_filter.feed(reply[i : i + size]) for i in range(0, len(reply), size)]
    assert "".join([*pieces, thinking_filter.flush()]) == text
    if thinking:
        assert thinking_filter.thinking == thinking


def test_text_after_the_thinking_is_streamed_at_once():
    thinking_filter = ThinkingFilter()
    assert thinking_filter.feed("<think>hm</think>\n\n") == ""
    assert thinking_filter.feed("Par") == "Par"
    assert thinking_filter.feed("is") == "is"


_PIECES = st.sampled_from(
    ["<think>", "</think>", "<", "think", ">", "\n", "x", "```", "`", "[THINK]"]
)


@given(st.lists(_PIECES, max_size=12), st.integers(1, 5))
def test_a_stream_never_shows_more_than_the_whole_reply(parts: list[str], size: int):
    reply = "".join(parts)
    thinking_filter = ThinkingFilter(holds_all=True)
    pieces = [thinking_filter.feed(reply[i : i + size]) for i in range(0, len(reply), size)]
    assert "".join([*pieces, thinking_filter.flush()]) == strip_thinking(reply).text


@given(st.lists(_PIECES, max_size=12))
def test_stripping_never_invents_text(parts: list[str]):
    reply = "".join(parts)
    assert reply.endswith(strip_thinking(reply).text)
