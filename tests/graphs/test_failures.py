"""Provider failures through the whole loop: a clear error before the first draft, else the best draft."""

import logging
import re
import traceback
from itertools import chain, repeat
from typing import Any

import pytest

from selfcritic.agent import load
from selfcritic.agent.errors import ModelError
from tests.support.fake_provider import (
    BAD_KEY,
    FORBIDDEN,
    NO_SUCH_MODEL,
    TOO_LONG,
    FakeProvider,
    Fault,
)
from tests.support.provider_loop import (
    KEY,
    QUICK,
    assert_usage_matches,
    models,
    reply,
    run,
    sent_by,
)

pytestmark = pytest.mark.usefixtures("close_clients")
BARE_KEY = "this key has no known format"

FAILURES = [
    (BAD_KEY, 1, r"Incorrect API key provided: .*Set OPENAI_API_KEY"),
    (FORBIDDEN, 1, r"may not use this model\. Set OPENAI_API_KEY"),
    (NO_SUCH_MODEL, 1, r"does not exist.*Check the model's name"),
    (TOO_LONG, 1, r"maximum context length is 8 tokens.*Shorten the question"),
    (Fault("status", 429), 4, r"provider returned 429.*Wait a little"),
    (Fault("status", 429, retry_after=0.01), 4, r"provider returned 429.*Wait a little"),
    (Fault("status", 500), 4, r"provider returned 500.*try again later"),
    (Fault("status", 502), 4, r"provider returned 502.*try again later"),
    (Fault("status", 503), 4, r"provider returned 503.*try again later"),
    (Fault("reset"), 4, r"Is the server running at http://127\.0\.0\.1"),
    (Fault("truncated"), 4, r"Is the server running at http://127\.0\.0\.1"),
    (Fault("hang"), 4, r"Raise timeout"),
    (Fault("invalid_json"), 2, r"not valid JSON"),
    (Fault("no_choices"), 2, r"without any choice.*Try again"),
    (Fault("null"), 2, r"without content.*raise max_tokens"),
    (Fault("refusal"), 1, r"refused to answer: I cannot help with that\. Rephrase the question"),
    (Fault("filtered"), 1, r"refused to answer.*Rephrase the question"),
]


def fault_id(fault: Fault) -> str:
    if fault.kind != "status":
        return fault.kind
    return f"{fault.status} after {fault.retry_after}"


failures = pytest.mark.parametrize(
    ("fault", "tries", "message"),
    FAILURES,
    ids=[fault_id(fault) for fault, _, _ in FAILURES],
)


@pytest.fixture(autouse=True)
def check_logs(caplog: pytest.LogCaptureFixture):
    """Assert that no log contains a key."""
    caplog.set_level(logging.INFO)
    yield
    assert KEY not in caplog.text
    assert BARE_KEY not in caplog.text


@failures
def test_without_a_draft_raises_the_provider_message_and_a_hint(
    fault: Fault, tries: int, message: str
):
    with (
        FakeProvider(reply, faults=repeat(fault)) as provider,
        pytest.raises(ModelError, match=message) as caught,
    ):
        run(provider, **models(provider, timeout=0.5 if fault.kind == "hang" else 60))
    assert provider.calls() == tries
    trace = "".join(traceback.format_exception(caught.value))
    assert KEY not in trace + repr(caught.value)
    assert "\n" not in caught.value.args[0]


@failures
@pytest.mark.parametrize(
    "requests_before", [1, 2, 3, 5], ids=["judge", "critic", "scores", "refiner"]
)
def test_with_a_draft_returns_the_draft(
    fault: Fault, tries: int, message: str, requests_before: int
):
    faults = chain(repeat(None, requests_before), repeat(fault))
    with FakeProvider(reply, faults=faults) as provider:
        output = run(provider, **models(provider, timeout=0.5 if fault.kind == "hang" else 60))
        assert output["answer"] == output["rounds"][0].answer
        assert output["answer"].startswith("Lyon")
        assert output["stop_reason"] == "model_error"
        num_requests = 1
        if requests_before == 3:  # two critiques are scored
            num_requests = 2
            if fault.kind == "null":
                tries += 1  # the first one had a limit of one token, so its reply may be empty
        assert provider.calls() == requests_before + tries * num_requests
        assert_usage_matches(output["usage"], provider)
        assert re.search(message, output["error"])
        assert KEY not in repr(output)


def test_returns_the_best_draft_not_the_last():
    def judge_ever_worse(messages: Any, index: int) -> Any:
        text = reply(messages, index)
        return 0.6 + index / 100 if text == 0.9 else text

    faults = chain(repeat(None, 14), repeat(Fault("status", 500)))
    with FakeProvider(judge_ever_worse, faults=faults) as provider:
        output = run(provider, patience=9, max_rounds=9)
        assert (output["stop_reason"], output["best_round"]) == ("model_error", 0)
        assert len(output["rounds"]) > 2
        assert output["answer"] == output["rounds"][0].answer != output["rounds"][-1].answer


def test_reports_a_refused_connection():
    unreachable = load(
        "openai/x", api_base=f"http://127.0.0.1:{FakeProvider.refused_port()}/v1", api_key=KEY
    )
    with FakeProvider(reply) as provider:
        with pytest.raises(ModelError, match=r"Is the server running at http://127\.0\.0\.1"):
            run(provider, generator=unreachable)
        output = run(provider, judge=unreachable)
        assert (output["stop_reason"], output["usage"].by_role["judge"].calls) == ("model_error", 4)
        assert "Is the server running" in output["error"]


def test_continues_after_one_failed_score():
    with FakeProvider(reply, faults=[None, None, None, TOO_LONG]) as provider:
        output = run(provider, max_rounds=1)
        assert (output["stop_reason"], output["error"]) == ("max_rounds", None)
        assert_usage_matches(output["usage"], provider)


# litellm's aiohttp transport sends the judge's prompt, which has the draft, in one piece; that only costs time.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
def test_accepts_a_reply_of_a_megabyte():
    with FakeProvider(reply, faults=[Fault("huge")]) as provider:
        output = run(provider, max_rounds=0)
        assert len(output["answer"]) > 2**20 - 2
        assert_usage_matches(output["usage"], provider)


def test_respects_retry_after_up_to_max_wait():
    busy = Fault("status", 429, retry_after=0.3)
    with FakeProvider(reply, faults=[busy]) as provider:
        run(provider, max_rounds=0, retries=QUICK.model_copy(update={"max_wait": 5.0}))
        assert 0.3 <= provider.waits[0] < 0.6
    with FakeProvider(reply, faults=[busy]) as provider:
        run(provider, max_rounds=0)
        assert provider.waits[0] < 0.3


def test_hides_a_key_without_a_known_format():
    with FakeProvider(reply, faults=[None, BAD_KEY]) as provider:
        bare_key_model = load("openai/judge", api_base=provider.url, api_key=BARE_KEY)
        output = run(provider, judge=bare_key_model)
        assert provider.received[-1].headers["Authorization"] == f"Bearer {BARE_KEY}"
        assert "Incorrect API key provided: [key]" in output["error"]
        assert BARE_KEY not in repr(output) + repr(bare_key_model)


def test_counts_a_failed_role_separately():
    with FakeProvider(reply, faults=[None, *[Fault("status", 503)] * 4]) as provider:
        usage = run(provider)["usage"]
        assert usage.by_role["judge"].calls == provider.calls(sent_by("judge")) == 4
