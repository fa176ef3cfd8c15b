"""Stub OTLP collector on 127.0.0.1 that records request bodies.

with Collector() as collector:
    ...  # send to collector.url
assert collector.received["/v1/traces"]
"""

import gzip
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Collector:
    """Server that runs in a thread; use it as a context manager."""

    def __init__(self) -> None:
        self.received: defaultdict[str, list[bytes]] = defaultdict(list)
        """Decompressed bodies by path."""
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if body.startswith(b"\x1f\x8b"):
                    body = gzip.decompress(body)
                received[self.path].append(body)
                self.answer(b"")

            do_PATCH = do_POST  # noqa: N815 - named after the method

            def do_GET(self) -> None:
                self.answer(b"{}")

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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
