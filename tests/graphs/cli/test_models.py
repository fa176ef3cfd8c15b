"""`selfcritic models list`: what is installed, and what is missing."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from selfcritic.agent.models import smollm2
from selfcritic.graphs.cli import model_keys, model_status
from selfcritic.graphs.cli.app import app
from tests.support.fake_ollama import FakeOllama
from tests.support.fake_provider import FakeProvider


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def find(name: str) -> Any:
        return None if name in ("xllamacpp", "ctranslate2") else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(smollm2, "find", lambda: None)
    port = FakeProvider.refused_port()
    monkeypatch.setenv("OLLAMA_API_BASE", f"http://127.0.0.1:{port}")
    for name in model_keys.find_keys(dict.fromkeys(_variables(), "x")):
        monkeypatch.delenv(name, raising=False)


def _variables() -> list[str]:
    return [model_keys.key_variable(provider) for provider in model_keys._KEY_PROVIDERS]


def list_models(**environment: str) -> str:
    result = CliRunner().invoke(app, ["models"], env={"COLUMNS": "80", **environment})
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    return " ".join(result.stdout.split())


@pytest.mark.usefixtures("nothing_installed")
def test_names_the_command_that_adds_what_is_missing():
    text = list_models()
    assert "pip install 'selfcritic[tiny]'" in text
    assert "run `pip install 'selfcritic[local]'` and `selfcritic models pull smollm2`" in text
    assert "no key is set" in text
    assert "OLLAMA_API_BASE" in text


def test_names_the_keys_in_the_environment_but_not_their_values():
    text = list_models(GROQ_API_KEY="secret-value", SELFCRITIC_MODEL="groq/x?api_key=secret-value")
    assert "GROQ_API_KEY" in text
    assert "SELFCRITIC_MODEL is groq/x." in text
    assert "secret" not in text


@pytest.mark.usefixtures("nothing_installed")
def test_an_empty_key_is_not_a_key():
    assert model_keys.find_keys({"OPENAI_API_KEY": ""}) == []
    assert "no key is set" in list_models(OPENAI_API_KEY="")


def test_everything_is_ready_in_the_development_environment():
    ready = {status.spec: status.is_ready for status in model_status.list_models()}
    assert ready["simulated[?draft_error_rate=0.5&seed=1…]"]
    assert ready["openai/NAME --api-base URL"] is None  # it depends on the server


def test_lists_the_models_of_a_running_ollama(monkeypatch: pytest.MonkeyPatch):
    with FakeOllama(lambda messages, index: "x") as ollama:
        text = list_models(OLLAMA_API_BASE=ollama.url)
        ollama.names = []
        empty = list_models(OLLAMA_API_BASE=ollama.url)
    assert "ollama_chat/NAME yes a model of Ollama: ollama_chat/smollm2:135m" in text
    assert "it has no model: ollama pull NAME" in empty


def test_names_the_address_where_ollama_does_not_reply():
    address = f"http://127.0.0.1:{FakeProvider.refused_port()}"
    text = list_models(OLLAMA_API_BASE=address)
    assert "ollama_chat/NAME no" in text
    assert f"Nothing replies at {address}/api/tags" in text
    assert "OLLAMA_API_BASE needs http://" in list_models(OLLAMA_API_BASE="127.0.0.1:11434")


def list_served(address: str) -> Result:
    return CliRunner().invoke(app, ["models", "--api-base", address])


def test_lists_the_models_of_a_server_as_options(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with FakeProvider(models=["toy", "org/toy-2"]) as provider:
        expected = [f"--model openai/{name} --api-base {provider.url}" for name in provider.models]
        assert list_served(provider.url).stdout.splitlines() == expected
        assert list_served(provider.url.removesuffix("/v1")).stdout.splitlines() == expected
        provider.models = []
        empty = list_served(provider.url)
    assert (empty.exit_code, empty.stdout) == (1, "")
    assert "has no models" in empty.stderr
    with FakeOllama(lambda messages, index: "x") as ollama:
        done = list_served(ollama.url)
    assert done.stdout == f"--model ollama_chat/smollm2:135m --api-base {ollama.url}\n"


def test_reports_a_server_that_lists_no_models():
    address = f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
    for wrong, code, message in [
        (address, 1, f"Nothing replies at {address}/models"),
        ("127.0.0.1:8000/v1", 2, "--api-base needs http://"),
    ]:
        done = list_served(wrong)
        assert (done.exit_code, done.stdout) == (code, "")
        assert message in done.stderr
    with FakeProvider() as provider:
        done = list_served(provider.url)
    assert "/models replied with status 404." in done.stderr
    done = CliRunner().invoke(app, ["models", "--api-base", address, "check", "openai/x"])
    assert (done.exit_code, "--api-base goes after" in done.stderr) == (2, True)


@pytest.mark.parametrize("has_extra", [True, False])
def test_pull_ends_with_a_command_that_runs(
    has_extra: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(smollm2, "pull", lambda report: tmp_path / "weights.gguf")
    if not has_extra:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, ["models", "pull", "smollm2"])
    assert (done.exit_code, done.stdout) == (0, "local:smollm2\n")
    assert ("pip install 'selfcritic[local]'" in done.stderr) != has_extra
    assert 'selfcritic run "Why is the sky blue?" --prompts plain' in done.stderr
    assert "--model local:smollm2" in done.stderr


class RecordingProvider(FakeProvider):
    """Keeps the header with the credentials of each request for the list of models."""

    async def _list_models(self, request: web.Request) -> web.Response:
        self.credentials = request.headers["Authorization"]
        return await super()._list_models(request)


def test_sends_the_user_and_password_of_an_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with RecordingProvider("x", models=["toy"]) as provider:
        address = provider.url.replace("://", "://me:p%40ss9word@")
        result = CliRunner().invoke(app, ["models", "--api-base", address])
        assert result.exit_code == 0, result.output
        assert "ss9word" not in result.output
    assert "openai/toy" in result.output
    assert provider.credentials == "Basic bWU6cEBzczl3b3Jk"


def test_names_the_host_of_an_address_with_a_password():
    port = FakeProvider.refused_port()
    result = CliRunner().invoke(app, ["models", "--api-base", f"http://me:PW9@127.0.0.1:{port}/v1"])
    assert result.exit_code != 0
    assert "refused" in result.output
    assert "PW9" not in result.output
