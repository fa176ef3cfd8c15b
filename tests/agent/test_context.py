import pytest
from pydantic import ValidationError

from selfcritic.agent import Budget, Context, load
from selfcritic.agent.models.scripted import ScriptedModel


def test_a_run_overrides_only_what_it_names():
    merged = Context(num_critiques=4, max_rounds=2).merge(Context(num_critiques=9))
    assert (merged.num_critiques, merged.max_rounds) == (9, 2)


def test_naming_a_default_overrides_too():
    assert Context(num_critiques=4).merge(Context(num_critiques=8)).num_critiques == 8


def test_no_context_overrides_nothing():
    context = Context(num_critiques=4)
    assert context.merge(None) is context


def test_a_part_speaks_with_its_own_model_or_the_common_one():
    critic = ScriptedModel(script=[])
    context = Context(model="simulated", critic=critic)
    assert context.model_for("critic") is critic
    assert context.model_for("judge") == "simulated"


def test_any_chat_model_is_taken_and_nothing_else():
    model = load("simulated")
    assert Context(model=model).model is model
    with pytest.raises(ValidationError):
        Context(model=3)


def test_the_schema_shows_bounds_descriptions_and_nodes():
    properties = Context.model_json_schema()["properties"]
    assert all("description" in field for field in properties.values())
    assert properties["num_critiques"]["minimum"] == 1
    assert properties["num_critiques"]["langgraph_nodes"] == ["critique"]
    assert properties["model"]["type"] == "string"


def test_the_schema_shows_the_search_and_its_sizes():
    schema = Context.model_json_schema()
    beam = schema["$defs"]["FSBSConfig"]["properties"]
    assert {name: (field["default"], field["minimum"]) for name, field in beam.items()} == {
        "n": (4, 1),
        "k": (2, 1),
        "d": (4, 1),
    }
    assert all(field["title"] and field["description"] for field in beam.values())
    assert schema["properties"]["search"]["enum"] == ["rejection", "fsbs"]
    assert schema["properties"]["length_modifier"]["default"] == 0.0


@pytest.mark.parametrize("options", [{"fsbs": {"n": 0}}, {"fsbs": {"m": 1}}, {"length_modifier": float("inf")}])
def test_a_search_out_of_bounds_is_refused(options):
    with pytest.raises(ValidationError):
        Context(**options)


@pytest.mark.parametrize("limits", [{"calls": 0}, {"tokens": -1}, {"dollars": 1}])
def test_a_budget_out_of_bounds_is_refused(limits):
    with pytest.raises(ValidationError):
        Budget(**limits)


@pytest.mark.parametrize(
    "options",
    [{"scorer": {}}, {"scorer": {"evidence": float("nan")}}, {"temperatures": {"critic": -1}}],
)
def test_weights_and_temperatures_out_of_bounds_are_refused(options):
    with pytest.raises(ValidationError):
        Context(**options)
