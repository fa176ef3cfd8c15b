import os
from pathlib import Path

import pytest

from selfcritic.agent.models import load
from selfcritic.agent.models.identity import model_identity
from selfcritic.agent.models.tiny.model import SHIPPED, TinyModel

SPEC = "openai/gpt?api_base=http://127.0.0.1:1/v1"


def identity(spec: str, **options: object) -> str:
    return model_identity(load(spec, **options))


def test_equal_settings_have_the_same_identity():
    assert identity(SPEC) == identity(SPEC)
    assert identity("simulated?seed=1") == identity("simulated", seed=1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"temperature": 0.1}),
        ({}, {"stop": ["x"]}),
        ({}, {"model_kwargs": {"top_p": 0.5}}),
        ({}, {"model_kwargs": {"extra_body": {"min_p": 0.1}}}),
        ({"api_base": "http://127.0.0.1:1/v1"}, {"api_base": "http://127.0.0.1:2/v1"}),
    ],
)
def test_settings_that_change_replies_change_the_identity(first, second):
    assert identity("openai/gpt", **first) != identity("openai/gpt", **second)


@pytest.mark.parametrize(
    "options", [{"timeout": 3.0}, {"max_retries": 1}, {"api_key": "sk-other-key-12345"}]
)
def test_other_settings_do_not(options: dict[str, object]):
    assert identity(SPEC, **options) == identity(SPEC)


def test_credentials_are_not_part_of_it():
    text = identity(
        "openai/gpt",
        api_key="sk-secret-value-12345",
        api_base="http://user:secret-word@127.0.0.1:1/v1",
        extra_headers={"x-api-key": "secret-header-1"},
    )
    assert "secret" not in text


def test_replaced_files_change_the_identity(tmp_path: Path):
    weights = tmp_path / "model.bin"
    weights.write_text("first")
    first = model_identity(TinyModel(folder=tmp_path))
    weights.write_text("second")
    os.utime(weights, (1, 1))
    assert model_identity(TinyModel(folder=tmp_path)) != first
    assert model_identity(TinyModel()) == model_identity(TinyModel(folder=SHIPPED))
