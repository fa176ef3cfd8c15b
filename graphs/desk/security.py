"""Protect the desk: token, hosts, origins, sizes and headers.

The desk listens on 127.0.0.1. Its address holds a random token, which becomes a cookie that scripts cannot read. Each
request that changes something also needs a header that other sites cannot send.
"""

import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

HEADER = "x-selfcritic-desk"
MAX_BODY_BYTES = 256 * 1024
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
Next = Callable[[Request], Awaitable[Response]]


class Guard:
    """Check each request before it reaches the desk."""

    def __init__(self, token: str, hosts: set[str]) -> None:
        self._token = token
        self._hosts = hosts

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Answer with an error, or pass the request on; always set the security headers."""
        problem = self._find_problem(request)
        if problem is None:
            response = await call_next(request)
        else:
            status, message = problem
            response = JSONResponse({"error": message}, status)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    def _find_problem(self, request: Request) -> tuple[int, str] | None:
        host = request.headers.get("host", "")
        if host not in self._hosts:  # a foreign name that resolves to 127.0.0.1
            return 403, "Open the desk by the address that the command printed."
        origin = request.headers.get("origin")
        if origin is not None and origin not in {f"http://{name}" for name in self._hosts}:
            return 403, "Requests from other sites are refused."
        if request.method not in ("GET", "HEAD") and request.headers.get(HEADER) != "1":
            return 403, "Requests from other sites are refused."
        if not self._is_authorized(request):
            return 401, "Open the desk by the address that the command printed: it has a token."
        return self._find_size_problem(request)

    def _find_size_problem(self, request: Request) -> tuple[int, str] | None:
        if request.method in ("GET", "HEAD"):
            return None
        length = request.headers.get("content-length", "")
        if not length.isascii() or not length.isdecimal():
            return 411, "Requests need a Content-Length."
        if int(length) > MAX_BODY_BYTES:
            return 413, f"The request is larger than {MAX_BODY_BYTES // 1024} kB. Shorten the text."
        return None

    def _is_authorized(self, request: Request) -> bool:
        candidates = [request.cookies.get(cookie_name(request), "")]
        if request.url.path == "/":
            candidates.append(request.query_params.get("token", ""))
        return any(is_equal(candidate, self._token) for candidate in candidates)


def cookie_name(request: Request) -> str:
    """Return the name of the cookie with the token: cookies of a host do not differ by port, desks do."""
    return f"selfcritic_desk_{request.url.port}"


def is_equal(candidate: str, token: str) -> bool:
    """Compare two tokens in constant time."""
    return secrets.compare_digest(candidate.encode("utf-8", "surrogatepass"), token.encode())
