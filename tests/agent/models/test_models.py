"""Load models by spec."""

import pytest

from selfcritic.agent import load
from selfcritic.agent.errors import UnknownModelError
from selfcritic.agent.models import PROVIDERS, get_model
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.models.simulated import SimulatedModel


def test_load_returns_a_model_unchanged():
    model = ScriptedModel(script=[])
    assert load(model) is model
    assert get_model(model) is model


def test_options_are_in_the_spec_or_keyword_arguments():
    for model in (
        load("simulated?draft_error_rate=0.25&seed=3"),
        load("simulated", draft_error_rate=0.25, seed=3),
    ):
        assert isinstance(model, SimulatedModel)
        assert (model.draft_error_rate, model.seed) == (0.25, 3)


def test_get_model_shares_the_model_of_a_spec():
    assert get_model("simulated") is get_model("simulated")
    assert get_model("simulated") is not get_model("simulated?seed=1")
    assert load("simulated") is not load("simulated")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gtp-5", r"no model 'gtp-5'.*simulated.*scripted"),
        ("", "no model ''"),
        ("simulated?draft_error_rate=2", "draft_error_rate: .*less than or equal to 1"),
        ("simulated?slop=0.1", "slop"),
        ("simulated:x", "simulated:x"),
        ("scripted", "scripted:FILE"),
    ],
)
def test_load_error_names_the_reason(spec: str, message: str):
    with pytest.raises(UnknownModelError, match=message):
        load(spec)


def test_every_provider_has_a_spec_and_description():
    assert all(provider.spec and provider.description for provider in PROVIDERS.values())
    assert PROVIDERS["simulated"].spec.startswith("simulated")
