"""Serve the desk's page and its JSON interface with FastAPI."""

import pathlib
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import FastAPI, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel, ConfigDict, Field

from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.redaction import redact
from selfcritic.graphs.desk.addresses import DeskDatabaseError
from selfcritic.graphs.desk.agreement import measure_agreement
from selfcritic.graphs.desk.assignments import SCREENS, Screen
from selfcritic.graphs.desk.run_view import RunView
from selfcritic.graphs.desk.security import Guard, cookie_name, is_equal
from selfcritic.graphs.desk.session import Desk

_FOLDER = pathlib.Path(__file__).parent
_MAX_NAME = 80


class Events(BaseModel):
    """Events that the page sends."""

    model_config = ConfigDict(extra="forbid")
    events: list[dict[str, Any]] = Field(max_length=100)
    active_seconds: float = Field(default=0.0, ge=0, le=3600, allow_inf_nan=False)


class SearchRequest(BaseModel):
    """A request to ask the critic again."""

    model_config = ConfigDict(extra="forbid")
    length_modifier: float = Field(ge=-100, le=100, allow_inf_nan=False)


Identifier = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""Number of an assignment, which the database stores in 64 bits."""
Annotator = Annotated[str, Header(alias="x-annotator")]


def create_app(desk: Desk | None, run: RunView | None, token: str, hosts: set[str]) -> FastAPI:
    """Create the web application.

    Args:
        desk: The assignments; None if only a run is shown.
        run: A finished run to show.
        token: Secret that the first request passes as `?token=`.
        hosts: Values of the Host header to accept.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.middleware("http")(Guard(token, hosts))
    app.mount("/static", StaticFiles(directory=_FOLDER / "static"))
    _add_error_handlers(app)
    _add_page(app, desk, run, token)
    if run is not None:
        _add_run(app, run)
    if desk is not None:
        _add_assignments(app, desk)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    async def show_input_error(_request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def show_invalid_request(
        _request: Request, error: RequestValidationError
    ) -> JSONResponse:
        # Without the inputs: JSON has no form for NaN.
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return JSONResponse({"error": "; ".join(problems)}, 422)

    @app.exception_handler(SelfcriticError)
    async def show_error(_request: Request, error: SelfcriticError) -> JSONResponse:
        return JSONResponse({"error": redact(str(error))}, 502)

    @app.exception_handler(DeskDatabaseError)
    async def show_database_error(_request: Request, error: DeskDatabaseError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 503)


def _add_page(app: FastAPI, desk: Desk | None, run: RunView | None, token: str) -> None:
    environment = Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True)
    screens: list[str] = []
    if desk is not None:
        screens = [screen for screen in SCREENS if desk.queues[screen].total]
    if run is not None:
        screens.append("run")
    page = environment.get_template("desk.html").render(screens=screens)

    @app.get("/", include_in_schema=False)
    async def show_page(request: Request) -> Response:
        candidate = request.query_params.get("token")
        if candidate is None:
            return HTMLResponse(page)
        response = RedirectResponse("/", 303)
        if is_equal(candidate, token):  # an old link must not replace a valid cookie
            response.set_cookie(cookie_name(request), token, httponly=True, samesite="strict")
        return response


def _add_run(app: FastAPI, run: RunView) -> None:
    @app.get("/api/run")
    async def show_run() -> dict[str, Any]:
        return run.describe()


def _add_assignments(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/next/{screen}")
    def open_next(screen: Screen, annotator: Annotator) -> dict[str, Any]:
        name = _read_name(annotator)
        assignment = desk.open_next(name, screen)
        return {"assignment": assignment, "progress": desk.count_progress(name, screen)}

    @app.get("/api/assignments/{identifier}")
    def show_assignment(identifier: Identifier, annotator: Annotator) -> dict[str, Any]:
        return desk.describe(desk.get(identifier, _read_name(annotator)))

    @app.get("/api/assignments/{identifier}/{direction}")
    def show_neighbor(
        identifier: Identifier, direction: Literal["next", "previous"], annotator: Annotator
    ) -> dict[str, Any]:
        name = _read_name(annotator)
        neighbor = desk.find_neighbor(identifier, name, is_later=direction == "next")
        return {"assignment": neighbor}

    @app.post("/api/assignments/{identifier}/events")
    def add_events(identifier: Identifier, body: Events, annotator: Annotator) -> dict[str, Any]:
        name = _read_name(annotator)
        if body.active_seconds:
            desk.add_active_seconds(identifier, name, body.active_seconds)
        return desk.apply(identifier, name, body.events)

    @app.post("/api/assignments/{identifier}/search")
    async def search_again(
        identifier: Identifier, body: SearchRequest, annotator: Annotator
    ) -> dict[str, Any]:
        return await desk.search_again(identifier, _read_name(annotator), body.length_modifier)

    @app.get("/api/agreement")
    def show_agreement() -> list[dict[str, Any]]:
        return measure_agreement(desk)


def _read_name(header: str) -> str:
    """Return the annotator's name, which the page sends percent-encoded."""
    name = unquote(header).strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise InputError(f"Enter your name: 1 to {_MAX_NAME} printable characters.")
    return name
