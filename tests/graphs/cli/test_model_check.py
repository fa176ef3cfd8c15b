"""`selfcritic models check` against fake servers, the simulated model and a real local one."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent import load
from selfcritic.agent.sampling.capabilities import recall
from selfcritic.agent.schemas import Capabilities, Usage
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.model_check import check_model
from selfcritic.graphs.cli.model_report import (
    Finding,
    ModelReport,
    Status,
    conclude,
    count_round_calls,
)
from tests.support.completions import Body
from tests.support.fake_ollama import FakeOllama
from tests.support.fake_provider import (
    BAD_KEY,
    NO_SUCH_MODEL,
    FakeProvider,
    Fault,
    error_response,
)
from tests.support.local_model import SPEC, requires_local_model
from tests.support.provider_loop import prompt_name
from tests.support.reasoning_provider import FORMS, Form, ReasoningProvider

NUMBERS = "one, two, three, four, five, six, seven, eight, nine, ten"

pytestmark = [
    pytest.mark.usefixtures("close_clients"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def reply(messages: list[Body], index: int) -> str | float:
    """Reply like a capable model, differently each time where the question is open."""
    text = " ".join(str(message["content"]) for message in messages)
    is_wrong = "Venus is the planet" in text
    match prompt_name(messages):
        case "classify" | "helpfulness":
            return 0.9 if is_wrong else 0.2
        case "critique":
            return "```\nVenus\n```\n[high] It is Mercury."
    if "200 words" in text:
        return " ".join([NUMBERS] * 10)
    if "one to ten" in text:
        return NUMBERS
    if "sea" in text:
        return f"The sea has {index} large waves today, and the wind is strong."
    return "Mercury is the planet closest to the Sun."


def mumble(messages: list[Body], index: int) -> str | float:
    """Reply like a model that never gives a verdict or a quote."""
    if "planet" in str(messages):
        return "It depends on many things"
    return reply(messages, index)


def check(provider: FakeProvider, **options: Any) -> ModelReport:
    options = {"api_key": "sk-test", **options}
    return asyncio.run(check_model(load("openai/toy", api_base=provider.url, **options)))


def statuses(report: ModelReport) -> dict[str, Status]:
    return {finding.name: finding.status for finding in report.findings}


def details(report: ModelReport, name: str) -> str:
    [finding] = [finding for finding in report.findings if finding.name == name]
    return f"{finding.details} {finding.hint}"


def test_a_server_with_all_features():
    with ReasoningProvider(reply, "none") as provider:
        report = check(provider, input_cost_per_token=1e-6, output_cost_per_token=2e-6)
        num_requests = provider.calls()
    assert statuses(report) == {
        "reply": "yes",
        "usage": "yes",
        "price": "yes",
        "length limit": "yes",
        "n": "yes",
        "seed": "no",  # the server ignores it
        "prefill": "partly",  # works, but litellm does not list it
        "verdicts": "yes",
        "helpfulness": "yes",
        "logprobs": "yes",
        "quotes": "yes",
        "thinking": "no",
        "context size": "unknown",
    }
    assert report.is_usable
    assert report.calls_per_round == 11
    assert num_requests == report.usage.calls <= 14
    assert details(report, "verdicts").startswith("P(flaw) 0.90 for a wrong draft, 0.20")
    assert report.usage.cost_usd is not None


def test_a_server_without_features():
    with FakeProvider(reply, n="reject", logprobs="ignore", prefix="reject") as provider:
        report = check(provider)
    found = statuses(report)
    assert report.is_usable
    assert found["n"] == found["logprobs"] == found["prefill"] == found["price"] == "no"
    assert found["verdicts"] == found["helpfulness"] == found["quotes"] == "yes"
    assert found["length limit"] == "no"  # FakeProvider ignores max_tokens
    assert report.usage.cost_usd is None
    assert report.calls_per_round == 8 + 8 * 5 + 1 + 5


@pytest.mark.parametrize("form", FORMS)
def test_reasoning_models(form: Form):
    with ReasoningProvider(reply, form) as provider:
        report = check(provider)
    found = statuses(report)
    assert report.is_usable, report.findings
    assert found["verdicts"] == found["quotes"] == "yes"
    assert found["thinking"] == ("no" if form == "none" else "yes")
    if form not in ("none", "closing_only"):  # the latter shows its thinking if it is cut off
        assert found["length limit"] == "partly"
        assert "thinking" in details(report, "length limit")


def test_a_server_that_reports_the_tokens_of_one_reply():
    class LikeLlamaCpp(FakeProvider):
        def _complete(self, body: Body, kind: Any) -> Any:
            completion, tokens = super()._complete(body, kind)
            completion["usage"]["completion_tokens"] //= len(completion["choices"])
            return completion, tokens

    with LikeLlamaCpp(reply) as provider:
        report = check(provider)
    assert statuses(report)["n"] == "partly"
    assert "estimate" in details(report, "n")


@pytest.mark.parametrize(
    ("usage", "status"),
    [(None, "no"), ((0, 0), "no"), ((1, 3), "partly"), ((9000, 3), "partly"), ((90, 0), "partly")],
)
def test_implausible_usage(usage: tuple[int, int] | None, status: Status):
    class OddUsage(FakeProvider):
        def _complete(self, body: Body, kind: Any) -> Any:
            completion, tokens = super()._complete(body, kind)
            del completion["usage"]
            if usage is not None:
                completion["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
            return completion, tokens

    with OddUsage(reply) as provider:
        report = check(provider)
    assert statuses(report)["usage"] == status
    assert "--max-calls" in details(report, "usage")


def test_unreadable_verdicts_make_a_model_unusable():
    with FakeProvider(mumble) as provider:
        report = check(provider)
    found = statuses(report)
    assert not report.is_usable
    assert report.calls_per_round is None
    assert found["verdicts"] == found["helpfulness"] == found["quotes"] == "no"
    assert "It depends on many things" in details(report, "verdicts")


def test_verdicts_that_are_wrong_are_reported():
    with FakeProvider(lambda messages, index: 0.5 if prompt_name(messages) else "x") as provider:
        report = check(provider)
    assert report.is_usable
    assert statuses(report)["verdicts"] == statuses(report)["helpfulness"] == "partly"


def test_an_error_ends_the_check():
    with FakeProvider(reply, faults=[BAD_KEY] * 9) as provider:
        report = check(provider)
        assert provider.calls() == 1
    assert not report.is_usable
    assert statuses(report) == {"reply": "no"}
    assert "Set OPENAI_API_KEY" in details(report, "reply")
    assert "sk-test" not in details(report, "reply")


def test_the_simulated_model():
    rates = dict.fromkeys(("miss_rate", "false_alarm_rate", "judge_error_rate"), 0)
    report = asyncio.run(check_model(load("simulated", seed=1, **rates)))
    found = statuses(report)
    assert report.is_usable
    assert found["verdicts"] == found["helpfulness"] == found["quotes"] == "yes", report.findings
    assert found["n"] == found["logprobs"] == found["seed"] == found["price"] == "yes"


@pytest.mark.slow
@requires_local_model
def test_a_real_language_model():
    report = asyncio.run(check_model(load(SPEC, seed=1)))
    found = statuses(report)
    assert report.is_usable
    assert found["n"] == found["seed"] == found["logprobs"] == found["length limit"] == "yes"
    assert found["verdicts"] == "partly"  # close to chance
    assert details(report, "context size").startswith("2,048 tokens")
    assert report.usage.cost_usd == 0


def test_ollama():
    with FakeOllama(reply) as ollama:
        report = asyncio.run(check_model(load("ollama_chat/toy", api_base=ollama.url)))
    found = statuses(report)
    assert report.is_usable, report.findings
    assert found["n"] == found["logprobs"] == "no"
    assert found["length limit"] == found["usage"] == found["verdicts"] == "yes"
    assert details(report, "name") == (
        "the server does not list toy; it lists smollm2:135m use that"
    )
    assert details(report, "context size").startswith("at most 8,192 tokens Ollama cuts prompts")


def test_the_names_and_the_context_of_a_server():
    entry = {"id": "toy", "aliases": ["other"], "meta": {"n_ctx": 4096}}
    with FakeProvider(reply, models=[entry]) as provider:
        report = check(provider)
    assert details(report, "name") == "the server lists it "
    assert details(report, "context size") == "4,096 tokens "
    vllm = {"id": "org/qwen", "max_model_len": 32768}
    with FakeProvider(reply, models=[vllm]) as provider:
        report = check(provider)
    assert details(report, "name") == "the server does not list toy; it lists org/qwen use that"
    assert details(report, "context size") == "32,768 tokens "


def test_an_unknown_name_is_reported_with_those_of_the_server():
    with FakeProvider(reply, faults=[NO_SUCH_MODEL] * 9, models=["org/qwen"]) as provider:
        report = check(provider)
    assert "the server lists openai/org/qwen" in details(report, "reply")


class FewReplies(FakeProvider):
    """Server that takes n up to a limit, as llama.cpp does."""

    def __init__(self, limit: int) -> None:
        super().__init__(reply)
        self.limit = limit

    async def _answer(self, request: Any, received: Any) -> Any:
        n = received.body.get("n", 1)
        if n > self.limit:
            message = f"Field 'n': Value must be between 1 <= value <= {self.limit}, but got {n}"
            return error_response(Fault("status", 400, message=message))
        return await super()._answer(request, received)


@pytest.mark.parametrize(
    ("limit", "status", "expected"),
    [
        (1, "no", "one request for each reply"),
        (2, "no", "up to 2 replies in one request"),
        (4, "partly", "3 replies in one request, but not 8 --num-critiques 3 takes one request"),
        (8, "yes", "8 replies in one request"),
    ],
)
def test_how_many_replies_a_request_may_ask_for(limit: int, status: Status, expected: str):
    with FewReplies(limit) as provider:
        report = check(provider)
    assert statuses(report)["n"] == status
    assert details(report, "n").startswith(expected)
    assert recall(load("openai/toy", api_base=provider.url)).rejected == (
        ["n"] if limit < 3 else []
    )


@pytest.mark.parametrize(
    ("verdicts", "quotes", "expected"),
    [
        ("yes", "yes", "m can be used in the loop. A round takes up to 11 requests"),
        ("partly", "yes", "its verdicts can be read and are wrong here"),
        ("yes", "no", "m can judge, but not criticize: use another model with --critic."),
        ("partly", "no", "m can neither judge nor criticize"),
    ],
)
def test_the_conclusion_agrees_with_the_checks(verdicts: Status, quotes: Status, expected: str):
    findings = [Finding("verdicts", verdicts, ""), Finding("quotes", quotes, "")]
    conclusion = conclude(ModelReport(findings, Usage(), True, 11), "m")
    assert expected in conclusion
    assert ("can judge" in conclusion) == ((verdicts, quotes) == ("yes", "no"))


def test_rows_are_printed_as_they_arrive():
    events: list[str] = []
    model = load("simulated", seed=1)
    report = asyncio.run(
        check_model(
            model,
            lambda name: events.append(f"start {name}"),
            lambda found: events.append(f"found {len(found)}"),
        )
    )
    assert events[:4] == ["start reply", "found 3", "start length limit", "found 1"]
    assert len(events) == 20
    assert sum(int(event[-1]) for event in events if event.startswith("found")) == len(
        report.findings
    )


def run_check(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["models", "check", *arguments], env={"COLUMNS": "80"})


def test_prints_a_table():
    result = run_check("simulated?seed=1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines[:-2]) <= 80
    assert "simulated can be used in the loop. A round takes up to 11 requests" in lines[-1]
    assert any(line.startswith("logprobs") and "yes" in line for line in lines)


def test_prints_json_without_the_options_of_the_name():
    result = run_check("simulated?seed=1", "--json", "--quiet")
    report = json.loads(result.stdout)
    assert (report["model"], report["usable"]) == ("simulated", True)
    assert {"name", "status", "details", "hint"} == set(report["checks"][0])
    assert report["usage"]["calls"] > 5


def test_exits_with_1_if_the_model_cannot_be_used():
    address = f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
    result = run_check("openai/toy", "--api-base", address)
    assert result.exit_code == 1
    assert f"Is the server running at {address}?" in " ".join(result.stdout.split())
    assert "openai/toy cannot be used in the loop." in result.stdout


@pytest.mark.parametrize("arguments", [["nosuch"], ["simulated", "--api-base", "http://x/v1"]])
def test_exits_with_2_for_bad_usage(arguments: list[str]):
    result = run_check(*arguments)
    assert result.exit_code == 2
    assert "error: " in result.stderr


def test_round_calls_depend_on_the_capabilities():
    assert count_round_calls(Capabilities(n="native", probability="logprobs")) == 11
    assert count_round_calls(Capabilities(n="native", probability="votes")) == 1 + 16 + 1 + 2
    assert count_round_calls(Capabilities(n="concurrent", probability="logprobs")) == 18
