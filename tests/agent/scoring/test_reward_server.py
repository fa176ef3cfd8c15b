"""Score with a local server that replies like vLLM."""

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
    """Scores a text by its length, after the prepared `replies`, one per request."""

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, payload, self.headers.get("Authorization")))
        status, reply = (
            self.server.replies.pop(0) if self.server.replies else (200, self.score(payload))
        )
        body = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def score(self, payload: dict[str, Any]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        if self.path == "/score":
            for index, text in enumerate(payload["text_2"]):
                rows.append({"index": index, "object": "score", "score": len(text)})
        else:
            for index, text in enumerate(payload["input"]):
                rows.append(
                    {"index": index, "label": "good", "probs": [0.0, len(text)], "num_classes": 2}
                )
        return {"id": "x", "object": "list", "data": rows[::-1], "usage": {"prompt_tokens": 1}}

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve(*replies: Any) -> Iterator[tuple[str, list[Any]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.replies = [], list(replies)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def scores(address: str) -> list[float]:
    return asyncio.run(RewardServer(address, QUICK)("Which city?", ANSWER, CRITIQUES))


def test_score_endpoint_receives_pairs():
    with serve() as (address, requests):
        values = scores(f"{address}/score?model=reward")
    [(path, payload, key)] = requests
    assert (path, payload["model"], key) == ("/score", "reward", None)
    assert payload["text_1"] == f"Question:\n```\nWhich city?\n```\n\nAnswer:\n```\n{ANSWER}\n```"
    assert payload["text_2"] == [f"Critique:\n````\n{text}\n\n````" for text in TEXTS]
    assert values == [len(text) for text in payload["text_2"]]


def test_classify_endpoint_receives_whole_texts_and_scores_by_the_last_class():
    with serve() as (address, requests):
        values = scores(f"{address}/classify")
    [(_, payload, _)] = requests
    assert payload["input"][0].startswith("Question:\n")
    assert payload["input"][0].endswith("\n````")
    assert values == [len(text) for text in payload["input"]]


def test_key_is_in_the_header_but_not_in_errors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFCRITIC_REWARD_KEY", "hunter2hunter2")
    with serve((401, {"error": "the key hunter2hunter2 is wrong"})) as (address, requests):
        with pytest.raises(ModelError) as caught:
            scores(f"{address}/score")
        assert requests[0][2] == "Bearer hunter2hunter2"
    assert "hunter2" not in str(caught.value)


def test_retries_only_transient_errors():
    with serve((503, ""), (429, "")) as (address, requests):
        assert len(scores(f"{address}/score")) == 3
        assert len(requests) == 3
    with serve((400, "")) as (address, requests):
        with pytest.raises(ModelError, match="400"):
            scores(f"{address}/score")
        assert len(requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "[]",
        {"data": []},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "score": "much"}]},
        "not json",
    ],
)
def test_rejects_an_invalid_reply(reply):
    with serve(*[(200, reply)] * 3) as (address, _), pytest.raises(ModelError):
        scores(f"{address}/score")


def test_unreachable_server_is_an_error():
    with serve() as (address, _):
        pass
    with pytest.raises(ModelError, match="failed"):
        scores(f"{address}/score")


@pytest.mark.parametrize(
    "address", ["127.0.0.1/score", "http://127.0.0.1/v1/rank", "file:///score"]
)
def test_rejects_an_address_of_another_endpoint(address: str):
    with pytest.raises(InputError, match=r"\.\.\./classify|…/classify"):
        RewardServer(address)


@pytest.mark.parametrize("search", ["rejection", "fsbs"])
def test_review_counts_requests_to_the_server(search: str):
    model = ScriptedModel(
        script={"critique": TEXTS if search == "rejection" else [t[3:] for t in TEXTS] * 10}
    )
    with serve() as (address, requests):
        graph = create_review(
            model=model, num_critiques=3, search=search, scorer=f"reward-server:{address}/score"
        ).compile()
        output = graph.invoke({"question": "q", "answer": ANSWER})
        assert output["usage"].by_role["scorer"].calls == len(requests) > 0
        assert output["critique"].reward is not None
        stopped = graph.invoke(
            {"question": "q", "answer": ANSWER}, context={"budget": Budget(calls=1)}
        )
    assert stopped["stop_reason"] in ("budget", "model_error")
    assert stopped["usage"].calls <= 1
