"""Refuse HTTP redirects of model servers.

A followed redirect is another request, which no budget counts, to an address that nobody chose. Clients of models
follow redirects by default and create their HTTP clients themselves, so `send` of httpx (and httpx2) is wrapped. The
wrapper changes nothing outside of `refuse_redirects`.
"""

import functools
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_refuses_redirects: ContextVar[bool] = ContextVar("refuses_redirects", default=False)


@contextmanager
def refuse_redirects() -> Iterator[None]:
    """Return redirects to the clients as error responses, instead of following them."""
    _wrap_clients("httpx")
    if "httpx2" in sys.modules:
        _wrap_clients("httpx2")
    token = _refuses_redirects.set(True)
    try:
        yield
    finally:
        _refuses_redirects.reset(token)


@functools.cache
def _wrap_clients(module_name: str) -> None:
    module = importlib.import_module(module_name)
    for client_class in (module.Client, module.AsyncClient):
        client_class.send = _wrap_send(client_class.send)


def _wrap_send(send: Any) -> Any:
    @functools.wraps(send)
    def send_once(client: Any, request: Any, **options: Any) -> Any:
        if _refuses_redirects.get():
            options["follow_redirects"] = False
        return send(client, request, **options)

    return send_once
