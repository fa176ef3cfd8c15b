"""Served reward models, by a server on this machine that speaks as vLLM does."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from selfcritic.agent import Budget
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Retries
from selfcritic.agent.scoring.reward_server import RewardServer
from selfcritic.graphs import create_review

ANSWER = "Lyon is the capital"
TEXTS = ["```\nLyon\n```\nOne.", "```\ncapital\n```\nTwo.", "```\nis\n```\nThree."]
CRITIQUES = [ground(text, ANSWER) for text in TEXTS]
QUICK = Retries(tries=3, first_wait=0.0)


class Handler(BaseHTTPRequestHandler):
    """Scores a text by its length; `replies` go before, one a request."""

    def do_POST(self) -> None:
        critique_input = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, critique_input, self.headers.get("Authorization")))
        status, reply = self.server.replies.pop(0) if self.server.replies else (200, self.score(critique_input))
        sent = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def score(self, critique_input: dict[str, Any]) -> dict[str, Any]:
        if self.path == "/score":
            rows = [
                {"index": at, "object": "score", "score": len(text)} for at, text in enumerate(critique_input["text_2"])
            ]
        else:
            rows = [{"index": at, "label": "good", "probs": [0.0, len(text)], "num_classes": 2}
                    for at, text in enumerate(critique_input["input"])]  # fmt: skip
        return {"id": "x", "object": "list", "data": rows[::-1], "usage": {"prompt_tokens": 1}}

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(*replies: Any) -> Iterator[tuple[str, list[Any]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.replies = [], list(replies)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def scores(address: str) -> list[float]:
    return asyncio.run(RewardServer(address, QUICK)("Which city?", ANSWER, CRITIQUES))


def test_a_score_endpoint_is_given_pairs():
    with serving() as (address, asked):
        values = scores(f"{address}/score?model=reward")
    [(path, critique_input, key)] = asked
    assert (path, critique_input["model"], key) == ("/score", "reward", None)
    assert critique_input["text_1"] == f"Question:\n```\nWhich city?\n```\n\nAnswer:\n```\n{ANSWER}\n```"
    assert critique_input["text_2"] == [f"Critique:\n````\n{text}\n\n````" for text in TEXTS]
    assert values == [len(text) for text in critique_input["text_2"]]


def test_a_classify_endpoint_is_given_whole_texts_and_the_last_class_counts():
    with serving() as (address, asked):
        values = scores(f"{address}/classify")
    [(_, critique_input, _)] = asked
    assert critique_input["input"][0].startswith("Question:\n")
    assert critique_input["input"][0].endswith("\n````")
    assert values == [len(text) for text in critique_input["input"]]


def test_the_key_goes_into_the_header_and_into_no_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFCRITIC_REWARD_KEY", "hunter2hunter2")
    with serving((401, {"error": "the key hunter2hunter2 is wrong"})) as (address, asked):
        with pytest.raises(ModelError) as caught:
            scores(f"{address}/score")
        assert asked[0][2] == "Bearer hunter2hunter2"
    assert "hunter2" not in str(caught.value)


def test_what_may_pass_is_tried_again_and_nothing_else():
    with serving((503, ""), (429, "")) as (address, asked):
        assert len(scores(f"{address}/score")) == 3
        assert len(asked) == 3
    with serving((400, "")) as (address, asked):
        with pytest.raises(ModelError, match="400"):
            scores(f"{address}/score")
        assert len(asked) == 1


@pytest.mark.parametrize(
    "reply", ["", "[]", {"data": []}, {"data": [{"index": 0}]}, {"data": [{"index": 0, "score": "much"}]}, "not json"]
)
def test_a_strange_reply_is_an_error(reply):
    with serving(*[(200, reply)] * 3) as (address, _), pytest.raises(ModelError):
        scores(f"{address}/score")


def test_a_server_that_is_down_is_an_error():
    with serving() as (address, _):
        pass
    with pytest.raises(ModelError, match="failed"):
        scores(f"{address}/score")


@pytest.mark.parametrize("address", ["127.0.0.1/score", "http://127.0.0.1/v1/rank", "file:///score"])
def test_an_address_of_something_else_is_bad_usage(address: str):
    with pytest.raises(InputError, match=r"\.\.\./classify|…/classify"):
        RewardServer(address)


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_a_review_by_a_served_reward_counts_its_requests(search: str):
    model = ScriptedModel(script={"critique": TEXTS if search == "rejection" else [t[3:] for t in TEXTS] * 10})
    with serving() as (address, asked):
        graph = create_review(
            model=model, num_critiques=3, search=search, scorer=f"reward-server:{address}/score"
        ).compile()
        output = graph.invoke({"question": "q", "answer": ANSWER})
        assert output["usage"].by_role["scorer"].calls == len(asked) > 0
        assert output["critique"].reward is not None
        stopped = graph.invoke({"question": "q", "answer": ANSWER}, context={"budget": Budget(calls=1)})
    assert stopped["stop_reason"] in ("budget", "model_error")
    assert stopped["usage"].calls <= 1
