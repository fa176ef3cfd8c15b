"""Validate and merge the options of a run."""

import traceback
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr, ValidationError

from selfcritic.agent import Budget, Context, load
from selfcritic.agent import context as context_module
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.normalized_model import NormalizedModel
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique


def test_merge_overrides_only_explicit_options():
    merged = Context(num_critiques=4, max_rounds=2).merge(Context(num_critiques=9))
    assert (merged.num_critiques, merged.max_rounds) == (9, 2)


def test_merge_overrides_with_an_explicit_default():
    assert Context(num_critiques=4).merge(Context(num_critiques=8)).num_critiques == 8


def test_merge_with_none_changes_nothing():
    context = Context(num_critiques=4)
    assert context.merge(None) is context


def test_role_uses_its_model_or_the_default_model():
    critic = ScriptedModel(script=[])
    context = Context(model="simulated", critic=critic)
    assert context.model_for("critic") is critic
    assert context.model_for("judge") == "simulated"


def test_the_environment_names_the_default_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFCRITIC_MODEL", "tiny")
    assert Context().model_for("judge") == "tiny"
    assert Context(model="simulated").model_for("judge") == "simulated"


@pytest.mark.parametrize("value", ["", None])
def test_a_missing_model_is_an_error_with_the_choices(
    monkeypatch: pytest.MonkeyPatch, value: str | None
):
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    if value is not None:
        monkeypatch.setenv("SELFCRITIC_MODEL", value)
    context = Context(generator="simulated")
    assert context.model_for("generator") == "simulated"
    with pytest.raises(InputError, match=r"'judge': pass `model`.*SELFCRITIC_MODEL.*local:smollm2"):
        context.model_for("judge")
    assert context.configured_models == ["simulated"]


def test_accepts_only_specs_and_chat_models():
    model = load("simulated")
    assert Context(model=model).model is model
    with pytest.raises(ValidationError):
        Context(model=3)


def test_schema_has_bounds_descriptions_and_nodes():
    properties = Context.model_json_schema()["properties"]
    assert all("description" in field for field in properties.values())
    assert properties["num_critiques"]["minimum"] == 1
    assert properties["num_critiques"]["langgraph_nodes"] == ["critique"]
    assert properties["model"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_schema_has_the_search_and_its_sizes():
    schema = Context.model_json_schema()
    sizes = schema["$defs"]["FSBSConfig"]["properties"]
    assert {name: (field["default"], field["minimum"]) for name, field in sizes.items()} == {
        "n": (4, 1),
        "k": (2, 1),
        "d": (4, 1),
    }
    assert all(field["title"] and field["description"] for field in sizes.values())
    assert schema["properties"]["search"]["enum"] == ["rejection", "fsbs"]
    assert schema["properties"]["length_modifier"]["default"] == 0.0


@pytest.mark.parametrize(
    "options", [{"fsbs": {"n": 0}}, {"fsbs": {"m": 1}}, {"length_modifier": float("inf")}]
)
def test_rejects_search_options_out_of_bounds(options):
    with pytest.raises(ValidationError):
        Context(**options)


@pytest.mark.parametrize("limits", [{"calls": 0}, {"tokens": -1}, {"dollars": 1}])
def test_rejects_a_budget_out_of_bounds(limits):
    with pytest.raises(ValidationError):
        Budget(**limits)


@pytest.mark.parametrize(
    "options",
    [{"scorer": {}}, {"scorer": {"evidence": float("nan")}}, {"temperatures": {"critic": -1}}],
)
def test_rejects_weights_and_temperatures_out_of_bounds(options):
    with pytest.raises(ValidationError):
        Context(**options)


@pytest.mark.parametrize("options", [{"prompts": "nosuch"}, {"prompt_dir": "nosuch"}])
def test_a_missing_prompt_set_is_an_input_error(options: Any):
    graph = create_self_critique(model="simulated", **options).compile()
    with pytest.raises(InputError, match="nosuch"):
        graph.invoke({"question": "What is 1 + 2?"})


def test_isolation_that_does_not_work_can_be_required(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context_module, "find_isolation_problem", lambda: "no isolation here")
    assert not Context().require_isolation
    with pytest.raises(InputError, match=r"--require-isolation.*no isolation here"):
        Context(require_isolation=True)
    monkeypatch.setattr(context_module, "find_isolation_problem", lambda: None)
    assert Context(require_isolation=True).require_isolation


SECRET = "Canary7f3a9b"  # noqa: S105 - not a password of any server


def test_repr_has_no_credentials():
    address = f"http://u:{SECRET}@h/v1"
    model = load("openai/x", api_base=address, model_kwargs={"extra_query": {"sig": SECRET}})
    client = ChatOpenAI(
        model="x", base_url=address, api_key=SecretStr("none"), default_query={"sig": SECRET}
    )
    context = Context(
        model=client,
        generator=f"openai/x?api_base={address}",
        critic=f"openai/x?api_key={SECRET}",
        fallbacks={"judge": [model]},
        scorer={f"reward-server:{address}/score": 1.0},
    )
    for shown in (repr(model), str(model), repr(context), repr(NormalizedModel.wrap(client))):
        assert "http://[key]@h/v1" in shown
        assert SECRET not in shown
    assert "max_rounds=3" in repr(context)


@pytest.mark.parametrize("scheme", ["http://u:", "u:", "postgresql://", "reward_server:http://"])
@pytest.mark.parametrize("option", ["scorer", "weights", "checkers", "model", "num_drafts"])
def test_errors_do_not_repeat_an_address(option: str, scheme: str):
    address = f"{scheme}{SECRET}@127.0.0.1:9/score"
    options = {
        "scorer": {"scorer": address},
        "weights": {"scorer": {address: 1.0}},
        "checkers": {"checkers": [address]},
        "model": {"model": address, "scorer": 1},
        "num_drafts": {"num_drafts": address},
    }
    with pytest.raises((ValidationError, InputError)) as raised:
        Context.model_validate(options[option])
    assert SECRET not in "".join(traceback.format_exception(raised.value))
