"""Run the loop against servers that reply like real models: with thinking, chatter, and cut-off replies."""

from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.runtime import Runtime

from selfcritic.agent import load
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_best_of_n, create_review, create_self_critique
from selfcritic.prompts import parse_prompt
from tests.support import event_loop
from tests.support.completions import Body
from tests.support.fake_provider import FakeProvider, Fault, error_response
from tests.support.provider_loop import QUICK
from tests.support.reasoning_provider import FORMS, Form, ReasoningProvider

pytestmark = [  # litellm warns when it first streams
    pytest.mark.filterwarnings("ignore:Item 'summary' on TypedDict:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]

QUESTION = "When did Canberra become the capital?"
DRAFT = "Canberra became the capital in 1908."
FIXED = "Canberra became the capital in 1913."


def reply(messages: list[Body], index: int) -> str | float:
    """Return a flawed draft, a critique that fixes it, and right verdicts."""
    prompt = str(messages[-1]["content"])
    match parse_prompt([HumanMessage(prompt)]).name:
        case "classify":
            return 0.9 if "1908" in prompt else 0.1
        case "helpfulness":
            return 0.8
        case "critique":
            return "```\n1908\n```\n[high] It was 1913."
        case "refine":
            return FIXED
    return DRAFT


def chat_openai(provider: FakeProvider) -> ChatOpenAI:
    return ChatOpenAI(model="r1", base_url=provider.url, api_key="x", max_retries=0)


def litellm(provider: FakeProvider) -> Any:
    return load("openai/r1", api_base=provider.url, api_key="x")


def run(model: Any, streams: bool = False, **options: Any) -> dict[str, Any]:
    options = {"num_critiques": 2, "retries": QUICK, **options}
    graph = create_self_critique(model=model, **options).compile()
    if not streams:
        return event_loop.run(graph.ainvoke({"question": QUESTION}))

    async def stream() -> dict[str, Any]:
        output: dict[str, Any] = {}
        shown = []
        modes = ["messages", "values"]
        async for mode, chunk in graph.astream({"question": QUESTION}, stream_mode=modes):
            if mode == "values":
                output = chunk
            else:
                shown.append(chunk[0])
        output["shown"] = shown
        return output

    return event_loop.run(stream())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("streams", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("client", [litellm, chat_openai])
def test_thinking_is_no_part_of_any_reply(form: Form, streams: bool, client: Any):
    with ReasoningProvider(reply, form) as provider:
        output = run(client(provider), streams)
    first, second = output["rounds"]
    assert (first.answer, output["answer"]) == (DRAFT, FIXED)
    assert output["stop_reason"] == "accepted"
    assert [comment.text for comment in first.critiques[0].comments] == ["It was 1913."]
    assert not first.critiques[0].ungrounded
    assert (first.p_critiqueable, second.p_critiqueable) == (pytest.approx(0.9), pytest.approx(0.1))
    for message in output.get("shown", []):
        assert "problem" not in message.text
        assert "think" not in message.text


@pytest.mark.parametrize("form", FORMS)
def test_only_models_that_do_not_think_get_short_verdicts(form: Form):
    with ReasoningProvider(reply, form) as provider:
        output = run(litellm(provider))
    limits = [received.body.get("max_tokens") for received in provider.received]
    is_reasoning = form != "none"
    assert output["capabilities"]["judge"].reasoning is is_reasoning
    assert limits.count(1) == (0 if is_reasoning else 2)  # all verdicts but the first


@pytest.mark.parametrize("form", ["think", "none"])
def test_reasoning_models_vote_once(form: Form):
    with ReasoningProvider(reply, form, logprobs="ignore") as provider:
        output = run(litellm(provider))
    expected = 1 if form == "think" else 5
    assert [draft.votes for draft in output["rounds"]] == [expected, expected]
    assert output["rounds"][0].votes_read == expected
    assert output["stop_reason"] == "accepted"


def test_a_limit_that_cuts_off_thinking_is_lifted():
    """A model that was not seen to think may do so later."""
    forms = iter(["none"] * 2 + ["think"] * 20)  # draft, first verdict

    class Adaptive(ReasoningProvider):
        def _choice(self, *args: Any) -> Body:
            self.form = next(forms)
            return super()._choice(*args)

    with Adaptive(reply) as provider:
        output = run(litellm(provider))
    assert output["stop_reason"] == "accepted"
    assert output["rounds"][1].judged_by == "logprobs"


def test_a_rejected_limit_of_one_token_is_not_sent_again():
    class MinimumLength(FakeProvider):
        async def _answer(self, request: Any, received: Any) -> Any:
            if received.body.get("max_tokens") == 1:
                message = "Invalid 'max_completion_tokens': below the minimum value of 16."
                return error_response(Fault("status", 400, message=message))
            return await super()._answer(request, received)

    with MinimumLength(reply) as provider:
        output = run(litellm(provider), max_output_tokens={"generator": 500})
    limits = [received.body.get("max_tokens") for received in provider.received]
    assert output["stop_reason"] == "accepted"
    assert limits.count(1) == 1
    assert "max_tokens" not in output["capabilities"]["judge"].rejected


def test_capabilities_are_kept_for_the_next_run():
    with FakeProvider(reply, logprobs="reject", n="reject") as provider:
        first = run(litellm(provider))
        num_requests = provider.calls()
        second = run(litellm(provider))
    assert (first["stop_reason"], second["stop_reason"]) == ("accepted", "accepted")
    rejected = [received.body for received in provider.received[num_requests:]]
    assert not any(body.get("logprobs") or body.get("n", 1) > 1 for body in rejected)
    assert set(second["capabilities"]["critic"].rejected) == {"logprobs", "n"}


CHATTER = [
    "Ja, es hat einen Fehler.",
    "是",
    "<think>The year is wrong.</think>\n\nYes",
    "Answer: Yes",
    "The answer has a flaw. Yes",
]


@pytest.mark.parametrize("verdict", CHATTER)
def test_verdicts_in_other_forms_are_read(verdict: str):
    def chatty(messages: list[Body], index: int) -> str | float:
        value = reply(messages, index)
        if isinstance(value, str):
            return value
        return verdict if value > 0.5 else "No"

    with FakeProvider(chatty, logprobs="ignore") as provider:
        output = run(chat_openai(provider))
    assert (output["answer"], output["stop_reason"]) == (FIXED, "accepted")


def test_an_unreadable_judge_ends_the_run_with_its_words():
    def vague(messages: list[Body], index: int) -> str | float:
        value = reply(messages, index)
        is_verdict = isinstance(value, float) or len(messages) > 2
        return "Hard to say, there is much to consider." if is_verdict else value

    with FakeProvider(vague, logprobs="ignore") as provider:
        output = run(chat_openai(provider))
    assert (output["answer"], output["stop_reason"]) == (DRAFT, "judge_unreadable")
    assert "Hard to say" in output["error"]
    assert output["rounds"][0].p_critiqueable is None


def test_an_unreadable_judge_is_asked_again():
    def reluctant(messages: list[Body], index: int) -> str | float:
        if len(messages) > 2 and "one word" in str(messages[-1]["content"]):
            return "No"
        value = reply(messages, index)
        return value if isinstance(value, str) else "I would say that it looks good."

    with FakeProvider(reluctant, logprobs="ignore") as provider:
        output = run(chat_openai(provider))
    assert (output["stop_reason"], output["p_critiqueable"]) == ("accepted", 0.0)
    assert output["rounds"][0].votes_read == 5


def test_one_readable_vote_of_five_does_not_decide():
    votes = iter(["No", *["Your answer has a flaw"] * 4])

    def mostly_unreadable(messages: list[Body], index: int) -> str | float:
        value = reply(messages, index)
        return value if isinstance(value, str) else next(votes)

    with FakeProvider(mostly_unreadable, logprobs="ignore", n="ignore") as provider:
        output = run(chat_openai(provider), max_rounds=0)
    draft = output["rounds"][0]
    assert (draft.p_critiqueable, draft.votes_read, draft.votes) == (pytest.approx(0.4), 1, 5)


class CutOff(GenericFakeChatModel):
    """Replies with prepared messages; a verdict is No."""

    def _generate(self, messages: Any, *args: Any, **options: Any) -> Any:
        self.limits.append(options.get("max_tokens"))
        return super()._generate(messages, *args, **options)

    limits: list[int | None]


def cut_off(*replies: tuple[str, dict[str, str]]) -> CutOff:
    messages = [AIMessage(text, response_metadata=metadata) for text, metadata in replies]
    return CutOff(messages=iter(messages), limits=[], disable_streaming=True)


def judge_whole(messages: list[BaseMessage]) -> float:
    """Judge any draft as right, and any critique as helpful."""
    return 0.1 if parse_prompt(messages).name == "classify" else 0.8


WHOLE = ("Step 1: preheat. Step 2: mix. Step 3: bake.", {"finish_reason": "stop"})
LENGTH = {"finish_reason": "length"}
MAX_TOKENS = {"stop_reason": "max_tokens"}
JUDGE_OF_THE_WHOLE = {
    "judge": ScriptedModel(script=judge_whole),
    "critic": ScriptedModel(script=lambda _: "```\nStep 1\n```\n[high] Too short."),
}


@pytest.mark.parametrize("metadata", [LENGTH, MAX_TOKENS, {"finish_reason": "MAX_TOKENS"}])
def test_a_truncated_draft_is_requested_again(metadata: dict[str, str]):
    generator = cut_off(("Step 1: pre", metadata), WHOLE)
    output = run(generator, max_output_tokens={"generator": 24}, **JUDGE_OF_THE_WHOLE)
    assert (output["answer"], output["stop_reason"]) == (WHOLE[0], "accepted")
    assert generator.limits == [24, 48]


def test_a_truncated_draft_is_never_accepted():
    generator = cut_off(("Step 1: pre", LENGTH), ("Step 1: preh", LENGTH))
    refiner = cut_off(WHOLE)
    output = run(generator, refiner=refiner, **JUDGE_OF_THE_WHOLE)
    first, second = output["rounds"]
    assert (first.is_truncated, first.p_critiqueable) == (True, pytest.approx(0.1))
    assert not second.is_truncated
    assert (output["answer"], output["stop_reason"]) == (WHOLE[0], "accepted")


@pytest.mark.parametrize("metadata", [LENGTH, MAX_TOKENS])
def test_a_truncated_refinement_never_replaces_a_whole_draft(metadata: dict[str, str]):
    refiner = cut_off(("Step 1: preheat. Step 2: mi", metadata), ("Step 1: pre", metadata))
    judge = ScriptedModel(script=[0.9, 0.8, 0.8])
    options = {**JUDGE_OF_THE_WHOLE, "judge": judge}
    output = run(cut_off(WHOLE), refiner=refiner, **options)
    assert (output["answer"], output["stop_reason"]) == (WHOLE[0], "truncated")
    assert output["rounds"][1].is_truncated
    assert "max_output_tokens" in output["error"]


def test_best_of_n_prefers_a_whole_draft():
    generator = cut_off(("Step 1: pre", LENGTH), WHOLE, ("Step 1: preh", LENGTH))
    judge = ScriptedModel(script=[0.1, 0.4])
    graph = create_best_of_n(model=generator, judge=judge, num_drafts=2).compile()
    output = event_loop.run(graph.ainvoke({"question": QUESTION}))
    assert output["answer"] == WHOLE[0]
    assert [candidate.is_truncated for candidate in output["rounds"][0].candidates] == [True, False]


def test_a_truncated_critique_loses_its_last_comment():
    text = "```\nStep 1\n```\n[high] Too short.\n```\nStep 2\n```\n[low] It is also mi"
    critic = cut_off((text, LENGTH))
    graph = create_review(
        model=critic, judge=ScriptedModel(script=lambda _: 0.9), num_critiques=1
    ).compile()
    output = event_loop.run(graph.ainvoke({"question": QUESTION, "answer": WHOLE[0]}))
    [critique] = output["rounds"][0].critiques
    assert critique.is_truncated
    assert [comment.text for comment in critique.comments] == ["Too short."]


def test_a_truncated_reply_of_an_agent_is_marked():
    from selfcritic.graphs.middleware import SelfCritiqueMiddleware

    middleware = SelfCritiqueMiddleware(
        model=ScriptedModel(script=lambda _: "Step 1, whole."), **JUDGE_OF_THE_WHOLE
    )
    reply_message = AIMessage("Step 1: pre", response_metadata=LENGTH)
    messages: list[Any] = [HumanMessage(QUESTION), reply_message]
    update = event_loop.run(middleware.aafter_agent({"messages": messages}, Runtime()))
    assert update["self_critique"]["rounds"][0].is_truncated
    assert update["self_critique"]["answer"] == "Step 1, whole."


def test_streamed_tokens_come_one_by_one_after_the_first_reply():
    """The first reply of a self-hosted model is held back: it may be thinking without a tag."""
    with FakeProvider("one two three four.") as provider:
        model = litellm(provider)
        sizes = []
        for _ in range(2):
            output = run(model, streams=True, judge=ScriptedModel(script=[0.1]))
            chunks = [message for message in output["shown"] if isinstance(message, AIMessageChunk)]
            sizes.append(sum(1 for chunk in chunks if chunk.text not in ("", "No")))
    assert sizes == [1, 4]
