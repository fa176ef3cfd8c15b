import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from selfcritic.graphs.desk.addresses import DeskDatabaseError
from selfcritic.graphs.desk.security import MAX_BODY_BYTES
from selfcritic.graphs.desk.server import create_app

TOKEN = "correct-token"  # noqa: S105
HOST = "127.0.0.1:8420"
COOKIE = "selfcritic_desk_8420"


class Reply:
    """What the desk replied."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def ask(desk):
    """Send a request as the page does; arguments change its headers."""
    app = create_app(desk, None, TOKEN, {HOST})

    def send(method: str, path: str, body: Any = None, **changes: str | None) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is None:
            content = b""
        headers: dict[str, str | None] = {
            "host": HOST,
            "cookie": f"{COOKIE}={TOKEN}",
            "x-selfcritic-desk": "1",
            "x-annotator": "bob",
            "content-type": "application/json",
            "content-length": str(len(content)),
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        return asyncio.run(_call(app, method, path, headers, content))

    return send


async def _call(app, method, path, headers, content) -> Reply:
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode()) for name, value in headers.items() if value is not None
        ],
    }
    sent: list[Message] = []
    received: list[Message] = [{"type": "http.request", "body": content}]

    async def receive() -> Message:
        if not received:
            await asyncio.Event().wait()  # the client stays connected
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent)
    reply_headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], reply_headers, body)


def test_the_token_becomes_a_cookie_that_scripts_cannot_read(ask):
    reply = ask("GET", f"/?token={TOKEN}", cookie=None)
    assert reply.status == 303
    assert reply.headers["location"] == "/"
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize("token", ["old", "", "%ed%a0%80", "%00", "a;b"])
def test_another_token_does_not_replace_the_cookie(ask, token):
    reply = ask("GET", f"/?token={token}")
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert "set-cookie" not in reply.headers
    assert ask("GET", f"/?token={token}", cookie=None).status == 401


def test_desks_on_other_ports_have_other_cookies(ask, desk):
    assert ask("GET", f"/?token={TOKEN}").headers["set-cookie"].startswith(f"{COOKIE}=")
    app = create_app(desk, None, "other", {"127.0.0.1:9000"})
    cookies = f"{COOKIE}={TOKEN}; selfcritic_desk_9000=other"
    headers = {"host": "127.0.0.1:9000", "cookie": cookies}
    assert asyncio.run(_call(app, "GET", "/", headers, b"")).status == 200
    assert ask("GET", "/", cookie=cookies).status == 200


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity", "9" * 400])
def test_refuses_numbers_that_json_cannot_repeat(ask, number):
    view = ask("GET", "/api/next/review").data["assignment"]
    body = f'{{"events": [], "active_seconds": {number}}}'.encode()
    reply = ask("POST", f"/api/assignments/{view['id']}/events", body)
    assert reply.status == 422
    assert reply.data["error"]
    assert number not in reply.data["error"]


@pytest.mark.parametrize("identifier", [-1, 0, 2**63, 10**30])
@pytest.mark.parametrize("path", ["{}", "{}/next"])
def test_refuses_numbers_that_no_assignment_has(ask, identifier, path):
    reply = ask("GET", "/api/assignments/" + path.format(identifier))
    assert reply.status == 422
    assert reply.data["error"]


def test_serves_the_page_with_strict_headers(ask):
    reply = ask("GET", "/")
    assert reply.status == 200
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b'<script type="module" src="/static/desk.js">' in reply.body
    assert ask("GET", "/static/desk.js").status == 200


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"cookie": None}, 401),
        ({"cookie": f"{COOKIE}=wrong"}, 401),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"x_selfcritic_desk": None}, 403),
        ({"content_length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"content_length": None}, 411),
        ({"content_length": "-1"}, 411),
    ],
)
def test_refuses_requests_of_others(ask, changes, status):
    reply = ask("POST", "/api/assignments/1/events", {"events": []}, **changes)
    assert reply.status == status
    assert "error" in reply.data
    assert "content-security-policy" in reply.headers


def test_a_token_in_the_query_is_for_the_first_page_only(ask):
    assert ask("GET", f"/api/next/review?token={TOKEN}", cookie=None).status == 401
    assert ask("GET", "/static/desk.js", cookie=None).status == 401


def test_accepts_its_own_origin(ask):
    assert ask("GET", "/api/next/review", origin=f"http://{HOST}").status == 200


def test_saves_events(ask, desk):
    view = ask("GET", "/api/next/review").data["assignment"]
    event = {"key": "k" * 12, "type": "remove", "id": 1}
    body = {"events": [event], "active_seconds": 12.5}
    reply = ask("POST", f"/api/assignments/{view['id']}/events", body)
    assert [label["action"] for label in reply.data["state"]["labels"]] == ["removed"]
    assert desk.database.get_assignment(view["id"]).active_seconds == 12.5
    assert ask("GET", f"/api/assignments/{view['id']}").data == reply.data


def test_goes_to_the_neighbors_of_an_assignment(ask):
    first = ask("GET", "/api/next/review").data["assignment"]["id"]
    skip = {"key": "k" * 12, "type": "skip", "reason": "Not my language."}
    ask("POST", f"/api/assignments/{first}/events", {"events": [skip]})
    ask("GET", "/api/next/rate")
    ask("GET", "/api/next/review", x_annotator="eve")
    second = ask("GET", "/api/next/review").data["assignment"]["id"]
    neighbors = {}
    for name, path in (("next", f"{first}/next"), ("previous", f"{second}/previous")):
        neighbors[name] = ask("GET", f"/api/assignments/{path}").data["assignment"]["id"]
    assert neighbors == {"next": second, "previous": first}
    assert ask("GET", f"/api/assignments/{second}/next").data == {"assignment": None}
    assert ask("GET", f"/api/assignments/{first}/next", x_annotator="eve").status == 422


@pytest.mark.parametrize(
    "event",
    [
        {"type": "remove", "id": 1},
        {"key": "k" * 12, "type": "shout"},
        {"key": "k" * 12, "type": "score", "critique": "A", "question": "nitpick", "value": 8},
        {"key": "k" * 12, "type": "skip", "reason": " "},
    ],
)
def test_refuses_invalid_events_with_a_reason(ask, event):
    view = ask("GET", "/api/next/review").data["assignment"]
    reply = ask("POST", f"/api/assignments/{view['id']}/events", {"events": [event]})
    assert reply.status == 422
    assert reply.data["error"]


@pytest.mark.parametrize("name", ["", "%20", "a" * 81, "a%0Ab", "%E2%80%AEbob"])
def test_refuses_names_that_cannot_be_shown(ask, name):
    assert ask("GET", "/api/next/review", x_annotator=name).status == 422


def test_names_may_have_any_letters(ask):
    assert ask("GET", "/api/next/review", x_annotator="%E5%BC%A0%E4%BC%9F").status == 200


def test_measures_agreement(ask):
    rows = ask("GET", "/api/agreement").data
    assert [row["question"] for row in rows][:2] == ["bug_inclusion", "comprehensiveness"]
    assert rows[0]["alpha"] is None
    assert rows[0]["note"] == "no item has two ratings"


def test_a_full_disk_is_reported(ask, desk, monkeypatch):
    def fail(*_: object) -> None:
        raise DeskDatabaseError("The desk's database failed: database or disk is full.")

    view = ask("GET", "/api/next/review").data["assignment"]
    monkeypatch.setattr(desk.database, "append_events", fail)
    event = {"key": "k" * 12, "type": "remove", "id": 1}
    reply = ask("POST", f"/api/assignments/{view['id']}/events", {"events": [event]})
    assert reply.status == 503
    assert reply.data["error"].endswith("disk is full.")
