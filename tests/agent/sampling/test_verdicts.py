import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from selfcritic.agent.models.normalize import normalize_reply
from selfcritic.agent.sampling.verdict_words import YES_AND_NO
from selfcritic.agent.sampling.verdicts import read_logprobs, read_vote
from tests.support.verdicts import probability_of_yes

YES = [
    "Yes",
    "yes.",
    "**Yes**",
    "“Yes”",
    "- Yes",
    "```\nYes\n```",
    "Yes!",
    "Yes, if you can show me a flaw in this.",
    "Yes. There is no capital named Sydney.",
    "Yes, there is no evidence for it.",
    "Ja, es hat einen Fehler.",
    "是的",
    "有错误",
    "Yes有错误",
    "答案：Yes",
    "答案是：是",
    "The answer is: yes",
    "The answer is yes.",
    "Is it flawed? Yes",
    "Critiqueable: Yes\n\nBecause the year is wrong.",
    "**Answer:** Yes",
    '{"answer": "Yes"}',
    '{"critiqueable": true}',
    "\\boxed{\\text{Yes}}",
]
NO = [
    "No",
    "no.",
    "No, it is fine.",
    "> No",
    "# Verdict\n\nNo",
    "Answer: No",
    "Verdict: **No**",
    "Critiqueable: No",
    "Helpful: No\nReason: it is a matter of style",
    "Final answer: No",
    "Final answer: **No**",
    "<answer>No</answer>",
    '{"verdict": "No"}',
    "\\boxed{No}",
    "The answer has no flaw. No",
    "No没有",
    "没有错误。",
    "判断：No",
    "结论：没有错误",
    "*Answer*: No.",
]
UNREADABLE = [
    "",
    "...",
    "Not helpful",
    "yes/no",
    "Yes or no",
    "Yes, but no",
    "No, yes. A flaw in",
    "Yes\n\nThe year is wrong. The answer is no.",
    "There is no doubt: Yes",
    "No doubt there is a flaw.",
    'The answer seems to be "no" to the critic\'s question.',
    "This answer has a flaw. I'd like to repair it.",
    "The answer is no longer valid.",
    "The sentence contains a flaw: it is not only inaccurate but also no",
    "Verdict: no flaws",
    "No-one",
    "None",
    "Yesterday",
    "是否",
    "有没有",
    "不正确",
    "是一个好的答案",
    '{"a": "Yes", "b": "No"}',
    "{not json}",
]


@pytest.mark.parametrize("text", YES)
def test_reads_yes(text: str):
    vote = read_vote(text)
    assert vote is not None
    assert vote.is_yes


@pytest.mark.parametrize("text", NO)
def test_reads_no(text: str):
    vote = read_vote(text)
    assert vote is not None
    assert not vote.is_yes


@pytest.mark.parametrize("text", UNREADABLE)
def test_reads_no_verdict_into_other_text(text: str):
    assert read_vote(text) is None


@pytest.mark.parametrize("language", YES_AND_NO)
def test_reads_the_words_of_each_language(language: str):
    yes_words, no_words = YES_AND_NO[language]
    for word in yes_words:
        vote = read_vote(word.capitalize() + ".")
        assert vote is not None
        assert vote.is_yes
    for word in no_words:
        vote = read_vote(f"**{word}**")
        assert vote is not None
        assert not vote.is_yes


_PIECES = st.sampled_from(
    [
        "yes",
        "No",
        "answer",
        ":",
        " ",
        "\n",
        "*",
        "是",
        "没有",
        "{",
        "}",
        '"',
        "\\boxed{",
        "<",
        "is",
        ".",
    ]
)


@given(st.lists(_PIECES, max_size=20))
def test_any_text_can_be_read(parts: list[str]):
    text = "".join(parts)
    vote = read_vote(text)
    if vote is not None:
        assert 0 <= vote.start < len(text)


@pytest.mark.parametrize(
    "text", ["answer", "*", "yes ", "answer: ", ". ", "{", "\\boxed{", "ANSWER > ", "\n", "是"]
)
def test_long_replies_take_linear_time(text: str):
    read_vote(text * 20_000)  # quadratic time would take minutes


Probabilities = dict[str, float]


def reply_with(*tokens: tuple[str, Probabilities], content: str | None = None) -> AIMessage:
    """Return a reply with the top logprobs of each token."""
    entries = []
    for text, options in tokens:
        tops = [{"token": token, "logprob": math.log(p)} for token, p in options.items()]
        logprob = math.log(options.get(text, 0.5))
        entries.append({"token": text, "logprob": logprob, "top_logprobs": tops})
    return AIMessage(
        "".join(text for text, _ in tokens) if content is None else content,
        response_metadata={"logprobs": {"content": entries}},
    )


def test_reads_the_first_token_whatever_was_sampled():
    reply = reply_with(
        ("There", {"There": 0.5, "Yes": 0.3, "No": 0.1}),
        (" is", {" is": 0.9}),
        (" no", {" no": 0.99, " yes": 0.003}),
        (" doubt:", {" doubt:": 0.9}),
        (" Yes", {" Yes": 0.99, " No": 0.007}),
    )
    assert probability_of_yes(reply) == pytest.approx(0.75)


def test_skips_thinking_and_markup():
    thinking = [("<think>", {"<think>": 0.99}), ("Is", {}), (" no", {" no": 0.8}), ("</think>", {})]
    verdict = ("Yes", {"Yes": 0.9, "No": 0.1})
    assert probability_of_yes(reply_with(*thinking, verdict)) == pytest.approx(0.9)
    stars = ("**", {"**": 0.9})
    assert probability_of_yes(reply_with(stars, verdict, stars)) == pytest.approx(0.9)
    # litellm removes the thinking from the text, not from the logprobs.
    reply = reply_with(*thinking, verdict, content="Yes")
    assert probability_of_yes(reply) == pytest.approx(0.9)


def test_never_reads_a_word_inside_a_sentence():
    tokens = [(word, {word: 0.9}) for word in ["The", "sentence", "contains", "no", "flaw"]]
    assert probability_of_yes(reply_with(*tokens)) is None
    first = ("The", {"The": 0.7, "Yes": 0.07, "No": 0.05})
    assert probability_of_yes(reply_with(first, *tokens[1:])) == pytest.approx(0.07 / 0.12)


def test_reads_the_token_of_the_verdict_in_the_text():
    reply = reply_with(
        ("Answer", {"Answer": 0.99, "Yes": 0.004}),
        (":", {":": 1.0}),
        (" No", {" No": 0.8, " Yes": 0.2}),
    )
    verdict = read_logprobs(reply)
    assert verdict is not None
    assert verdict.position == 2
    assert verdict.probability == pytest.approx(0.2)


def test_a_small_mass_is_no_verdict():
    reply = reply_with(("The", {"The": 0.9, "Yes": 0.006, "No": 0.003}), (" answer", {}))
    assert probability_of_yes(reply) is None


def test_reads_other_languages_and_tokenizers():
    chinese = reply_with(("是", {"是": 0.6, "否": 0.2, "是的": 0.1}))
    assert probability_of_yes(chinese) == pytest.approx(0.7 / 0.9)
    byte_level = reply_with(("æĺ¯", {"æĺ¯": 0.6, "åĲ¦": 0.2}), content="是")  # 是 and 否
    assert probability_of_yes(byte_level) == pytest.approx(0.75)
    spaces = reply_with(("▁Ja", {"▁Ja": 0.5, "ĠNein": 0.5}), content="Ja")
    assert probability_of_yes(spaces) == pytest.approx(0.5)


def test_reads_the_bytes_of_a_token():
    token = {"token": "\\xe6", "logprob": -0.1, "bytes": list("是".encode()), "top_logprobs": []}
    reply = AIMessage("是", response_metadata={"logprobs": {"content": [token]}})
    assert probability_of_yes(reply) == pytest.approx(1.0)
    token["bytes"] = [230]  # part of a character
    assert probability_of_yes(reply) is None


def options(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": logprob} for token, logprob in pairs]


NO_THEN_YES = options(("No", -0.1), ("Yes", -2.4))
OLD_COMPLETION = {
    "tokens": ["No"],
    "token_logprobs": [-0.1],
    "top_logprobs": [{"No": -0.1, "Yes": -2.4}],
}


@pytest.mark.parametrize(
    "logprobs",
    [
        [{"token": "No", "logprob": -0.1, "top_logprobs": NO_THEN_YES}],
        {"content": [{"token": "No", "logprob": -0.1, "top_logprobs": NO_THEN_YES}]},
        {"content": [{"token": "No", "logprob": -0.1, "top_logprobs": {"No": -0.1, "Yes": -2.4}}]},
        OLD_COMPLETION,
    ],
    ids=["list", "openai", "mapping", "completion"],
)
def test_reads_the_logprobs_of_other_clients(logprobs: Any):
    reply = AIMessage("No", response_metadata={"logprobs": logprobs})
    assert probability_of_yes(reply) == pytest.approx(0.09, abs=0.01)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        [],
        "no",
        {"content": None},
        {"content": "No"},
        {"content": [None, 1, "No"]},
        {"content": [{"token": "No", "logprob": None, "top_logprobs": options(("No", None))}]},
        {"content": [{"token": None, "logprob": -0.1, "top_logprobs": []}]},
        {"content": [{"token": "No", "logprob": "x", "top_logprobs": 3}]},
        {"content": [{"token": "No", "logprob": math.nan}]},
        {"tokens": ["No"], "token_logprobs": None},
        {"tokens": [None, 3], "top_logprobs": [None]},
    ],
)
def test_malformed_logprobs_are_no_verdict(logprobs: Any):
    assert probability_of_yes(AIMessage("No", response_metadata={"logprobs": logprobs})) is None


def test_logprobs_of_thinking_beside_the_content():
    thinking = [("Is", {}), (" it", {}), (" no", {" no": 0.9, " yes": 0.1}), ("?\n", {})]
    verdict = ("Yes", {"Yes": 0.95, "No": 0.05})
    reply = reply_with(*thinking, verdict, content="Yes")
    reply.additional_kwargs["reasoning_content"] = "Is it no?"
    assert probability_of_yes(normalize_reply(reply)) == pytest.approx(0.95)
    unaligned = reply_with(*thinking, content="Yes")
    unaligned.additional_kwargs["reasoning_content"] = "Is it no?"
    assert probability_of_yes(normalize_reply(unaligned)) is None


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers(-5, 300),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["content", "token", "logprob", "top_logprobs", "bytes", "tokens"]),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_form_of_logprobs_raises(logprobs: Any):
    probability = probability_of_yes(AIMessage("No", response_metadata={"logprobs": logprobs}))
    assert probability is None or 0 <= probability <= 1


def test_a_length_limit_that_leaves_only_markup_still_gives_a_verdict():
    reply = reply_with(("**", {"**": 0.6, "Yes": 0.3, "No": 0.1}))
    assert probability_of_yes(reply) == pytest.approx(0.75)
