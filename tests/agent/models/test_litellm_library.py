"""Imports of litellm: all in a thread, and out of the way of garbage collection if the process asks for it."""

import json
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from selfcritic.agent import load
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError
from selfcritic.agent.models.litellm_library import import_litellm
from tests.support import event_loop
from tests.support.fake_ollama import FakeOllama
from tests.support.fake_provider import FakeProvider, Fault
from tests.support.provider_loop import reply

FIRST_REQUEST = """
import asyncio, json, sys, threading, warnings
warnings.simplefilter("ignore")
from selfcritic.agent import load
from selfcritic.agent.errors import ModelError
from selfcritic.agent.schemas import Retries
from selfcritic.graphs import create_self_critique
imported = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():
            imported.append(name)
sys.meta_path.insert(0, Finder())
model = load("openai/x", api_base=ADDRESS, api_key="none-at-all")
model = model.model_copy(update={"timeout": TIMEOUT})
retries = Retries(tries=1, startup_seconds=0)
graph = create_self_critique(model=model, num_critiques=1, max_rounds=0, retries=retries).compile()
async def run():
    async for _ in graph.astream({"question": "Which city?"}, stream_mode=STREAM_MODE):
        pass
failed = False
try:
    asyncio.run(run())
except ModelError:
    failed = True
assert failed == FAILS
roots = ("openai", "litellm", "tiktoken", "tiktoken_ext", "tokenizers", "fastapi", "starlette")
print(json.dumps([name for name in imported if name.partition(".")[0] in roots]))
"""
FREEZE = """
import gc, sys
from selfcritic.agent.models import litellm_library
litellm_library.import_provider("openai/x")
before = gc.get_freeze_count()
litellm_library.import_provider.cache_clear()
litellm_library.freeze_imports()
litellm_library.import_provider("openai/x")
print(before, gc.get_freeze_count() > 100_000)
"""


def run_python(program: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("stream_mode", ["values", "messages"])
def test_the_first_request_imports_nothing_on_the_event_loop(stream_mode: str):
    with FakeProvider(reply) as provider:
        assert imports_of_first_request(provider.url, stream_mode, fails=False) == []


FAULTS = [
    *(Fault("status", status) for status in (400, 401, 429, 500)),
    *(Fault(kind) for kind in ("hang", "reset", "truncated", "invalid_json")),
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind} {fault.status}")
def test_the_first_failure_imports_nothing_on_the_event_loop(fault: Fault):
    with FakeProvider(reply, faults=[fault]) as provider:
        timeout = 3.0 if fault.kind == "hang" else 60.0
        assert imports_of_first_request(provider.url, "messages", timeout, fails=True) == []


@pytest.mark.slow
def test_a_refused_connection_imports_nothing_on_the_event_loop():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        assert imports_of_first_request(address, "values", fails=True) == []


def imports_of_first_request(
    address: str, stream_mode: str, timeout: float = 60.0, *, fails: bool
) -> list[str]:
    settings = (
        f"ADDRESS, STREAM_MODE, TIMEOUT, FAILS = {address!r}, {stream_mode!r}, {timeout}, {fails}"
    )
    imported: list[str] = json.loads(run_python(settings + FIRST_REQUEST))
    return imported


@pytest.mark.slow
def test_freezes_the_imported_objects_only_on_request():
    assert run_python(FREEZE) == "0 True\n"


@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore:.*on TypedDict class")  # litellm's
@pytest.mark.parametrize("provider", ["ollama", "ollama_chat"])
def test_ollama_is_not_asked_about_the_model(provider: str, monkeypatch: pytest.MonkeyPatch):
    import_litellm().get_model_info("GPT-4o")  # fills a table of known names
    with FakeOllama(reply) as ollama:
        monkeypatch.setenv("OLLAMA_API_BASE", ollama.url)
        model = load(f"{provider}/another-new-model")
        # The fake server does not know /api/generate.
        with suppress(ModelCallError, ModelReplyError):
            event_loop.run(model.ainvoke("Which city?"))
        assert {path for path, _ in ollama.received} <= {"/api/chat", "/api/generate"}
        assert ollama.received
        assert not model.is_priced
