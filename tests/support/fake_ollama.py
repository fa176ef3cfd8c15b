"""Fake Ollama server on 127.0.0.1 with its own API, /api/chat.

with FakeOllama() as ollama:
    ...  # use ollama.url as OLLAMA_API_BASE or api_base
"""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from tests.support import completions
from tests.support.completions import Body

CREATED = "2026-01-01T00:00:00Z"


class FakeOllama:
    """Server that runs in a thread; use it as a context manager."""

    def __init__(self, reply: Callable[[list[Body], int], str | float]) -> None:
        self.received: list[tuple[str, Body]] = []
        """Path and body of each request."""
        received = self.received
        self.names = ["smollm2:135m"]
        """Names that /api/tags lists."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/api/tags":
                    self.send_error(404)
                    return
                self.answer({"models": [{"name": name} for name in fake.names]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.append((self.path, body))
                if self.path == "/api/show":
                    self.answer({"model_info": {"llama.context_length": 8192}})
                    return
                if self.path != "/api/chat":
                    self.send_error(404)
                    return
                text = completions.reply_text(reply(body["messages"], len(received)))
                self.answer(_chat_reply(body, text))

            def answer(self, data: dict[str, Any]) -> None:
                payload = json.dumps(data).encode() + b"\n"
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def chats(self) -> list[Body]:
        """Return the bodies of the chat requests."""
        return [body for path, body in self.received if path == "/api/chat"]


def _chat_reply(body: Body, text: str) -> Body:
    limit = (body.get("options") or {}).get("num_predict")
    words = text.split(" ")
    is_cut = limit is not None and 0 < limit < len(words)
    if is_cut:
        text = " ".join(words[:limit])
    prompt = " ".join(str(message["content"]) for message in body["messages"])
    return {
        "model": body["model"],
        "created_at": CREATED,
        "message": {"role": "assistant", "content": text},
        "done": True,
        "done_reason": "length" if is_cut else "stop",
        "prompt_eval_count": completions.count_tokens(prompt),
        "eval_count": completions.count_tokens(text),
        "total_duration": 1,
    }
