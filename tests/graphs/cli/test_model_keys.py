"""Addresses and keys that are checked before anything is imported or sent."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.graphs.cli import model_keys, servers
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.console import load_model
from selfcritic.graphs.cli.model_keys import check_server
from tests.support.fake_provider import NO_SUCH_MODEL, FakeProvider

LOCAL = "http://127.0.0.1:8000/v1"
VARIABLES = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "OLLAMA_API_BASE",
]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(model_keys, "_has_env_file", lambda: False)


@pytest.mark.parametrize(
    ("spec", "api_base", "message"),
    [
        ("openai/x", "127.0.0.1:8000/v1", f"--api-base needs http://: use --api-base {LOCAL}"),
        ("openai/x", "//127.0.0.1:8000/v1", f"use --api-base {LOCAL}"),
        ("openai/x", "me:secret@127.0.0.1:8000/v1?key=secret", f"use --api-base {LOCAL}"),
        ("openai/x?api_base=localhost:1/v1", None, "api_base needs http://: use api_base http://l"),
        ("ollama_chat/x", "http://me:secret@h:11434/v1", "use --api-base http://h:11434"),
        ("ollama/x", "http://h:11434/v1/", "Ollama's address has no /v1"),
        ("openai/x", "http://", "--api-base is not an address"),
        ("openai/x", "http://[::1/v1", "--api-base is not an address"),
        ("openai/x", "http://h:port/v1", "--api-base is not an address"),
        ("llama_cpp/smollm2", LOCAL, "use 'openai/smollm2' with the server's address"),
        ("local/smollm2", None, "use 'local:smollm2'"),
    ],
)
def test_rejects_an_address_or_provider_at_once(spec: str, api_base: str | None, message: str):
    with pytest.raises(UnknownModelError) as raised:
        load_address(spec, api_base)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def load_address(spec: str, api_base: str | None) -> None:
    """Check as the command line does, which loads the model after its checks."""
    check_server(spec, api_base)
    load_model(spec, api_base)


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_checks_an_address_in_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "127.0.0.1:8000/v1")
    with pytest.raises(UnknownModelError, match=f"{variable} needs http://"):
        check_server("openai/x", None)


def test_checks_the_address_of_ollama(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OLLAMA_API_BASE", "127.0.0.1:11434")
    with pytest.raises(UnknownModelError, match="use OLLAMA_API_BASE http://127"):
        check_server("ollama_chat/x", None)


def test_names_the_variable_of_a_missing_key():
    with pytest.raises(InputError) as raised:
        check_server("openai/gpt-5-mini", None)
    assert str(raised.value) == (
        "No key for openai/gpt-5-mini: export OPENAI_API_KEY=… For your own server, add "
        f"--api-base {LOCAL}. For neither, use --model local:smollm2."
    )
    with pytest.raises(InputError, match=r"export ANTHROPIC_API_KEY=… .*openai/NAME --api-base"):
        check_server("anthropic/x", None)
    with pytest.raises(InputError, match="A server on a public address needs a key"):
        check_server("openai/x", "https://example.com/v1")


@pytest.mark.parametrize(
    ("spec", "api_base", "environment"),
    [
        ("openai/x", None, {"OPENAI_API_KEY": "sk-1"}),
        ("openai/x", "https://example.com/v1", {"OPENAI_API_KEY": "sk-1"}),
        ("anthropic/x", None, {"ANTHROPIC_AUTH_TOKEN": "token"}),
        ("openai/x", LOCAL, {}),
        (f"openai/x?api_base={LOCAL}", None, {}),
        ("openai/x?api_key=sk-1", None, {}),
        ("ollama_chat/x", "http://127.0.0.1:11434", {}),
        ("ollama_chat/x", None, {"OLLAMA_API_BASE": "http://h:1"}),
        ("some_new_provider/x", None, {}),
        ("simulated", None, {}),
        ("local:/folder/file.gguf", None, {}),
    ],
)
def test_accepts_models_with_a_key_or_without_a_need(
    spec: str, api_base: str | None, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    check_server(spec, api_base)


def test_a_file_with_keys_may_hold_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.undo()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "project" / ".venv"))
    (tmp_path / "project").mkdir()
    assert not model_keys._has_env_file()
    (tmp_path / "project" / ".env").write_text("OPENAI_API_KEY=sk-1")
    assert model_keys._has_env_file()


@pytest.mark.parametrize("command", [["run", "q", "--model"], ["models", "check"]])
def test_commands_exit_with_2(command: list[str]):
    result = CliRunner().invoke(app, [*command, "openai/x"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "export OPENAI_API_KEY=…" in result.stderr


def test_a_missing_key_needs_no_import_of_litellm():
    code = (
        "import sys\n"
        "from selfcritic.graphs.cli import model_keys\n"
        "model_keys._has_env_file = lambda: False\n"
        "try:\n    model_keys.check_server('openai/x', 'https://example.com/v1')\n"
        "except Exception as error:\n    print(type(error).__name__, 'litellm' in sys.modules)\n"
    )
    environment = {"PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "InputError False\n"


@contextmanager
def silent_server() -> Iterator[int]:
    """Listen without a reply, like an http server that waits for the end of a request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_rejects_https_for_a_server_without_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers.speaks_https, "__defaults__", (0.05,))
    with silent_server() as port:
        plain = f"use --api-base http://127.0.0.1:{port}/v1"
        with pytest.raises(InputError, match=f"does not speak https: {plain}"):
            check_server("openai/x", f"https://127.0.0.1:{port}/v1")
    with FakeProvider() as provider, pytest.raises(InputError, match="does not speak https"):
        check_server("openai/x", provider.url.replace("http", "https"))
    # Nothing listens: the error of the request is clearer.
    check_server("openai/x", f"https://127.0.0.1:{FakeProvider.refused_port()}/v1")


@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_unknown_name_is_reported_with_those_of_the_server():
    with FakeProvider(faults=[NO_SUCH_MODEL], models=["org/qwen"]) as provider:
        arguments = ["run", "q", "--model", "openai/x", "--api-base", provider.url]
        done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "Check the model's name" in done.stderr
    assert done.stderr.endswith("The server lists openai/org/qwen.\n")


@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_other_api_of_ollama_is_named():
    address = f"http://127.0.0.1:{FakeProvider.refused_port()}"
    arguments = ["run", "q", "--model", "ollama/x", "--api-base", address, "--max-calls", "1"]
    done = CliRunner().invoke(app, arguments)
    assert "ollama_chat/x replies better" in done.stderr
