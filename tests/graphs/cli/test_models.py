"""`selfcritic models list`: what is installed, and what is missing."""

import importlib.util
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent.models import smollm2
from selfcritic.graphs.cli import model_keys, model_status
from selfcritic.graphs.cli.app import app


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def find(name: str) -> Any:
        return None if name in ("xllamacpp", "ctranslate2") else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(smollm2, "find", lambda: None)
    monkeypatch.setattr(model_status.shutil, "which", lambda name: None)
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
    assert ready["openai/NAME --api-base URL"]
