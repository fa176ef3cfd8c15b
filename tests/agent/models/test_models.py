import pytest

from selfcritic.agent import load
from selfcritic.agent.errors import UnknownModelError
from selfcritic.agent.models import PROVIDERS, get_model
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.models.simulated import SimulatedModel


def test_a_model_is_handed_back_as_it_is():
    model = ScriptedModel(script=[])
    assert load(model) is model
    assert get_model(model) is model


def test_options_stand_in_the_spec_or_beside_it():
    for model in (load("simulated?draft_error_rate=0.25&seed=3"), load("simulated", draft_error_rate=0.25, seed=3)):
        assert isinstance(model, SimulatedModel)
        assert (model.draft_error_rate, model.seed) == (0.25, 3)


def test_one_model_serves_all_who_name_the_same_spec():
    assert get_model("simulated") is get_model("simulated")
    assert get_model("simulated") is not get_model("simulated?seed=1")
    assert load("simulated") is not load("simulated")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("gtp-5", r"no model 'gtp-5'.*simulated.*scripted"),
        ("", "no model ''"),
        ("simulated?draft_error_rate=2", "draft_error_rate: .*less than or equal to 1"),
        ("simulated?slop=0.1", "slop"),
        ("simulated:x", "simulated:x"),
        ("scripted", "scripted:FILE"),
    ],
)
def test_what_cannot_be_loaded_is_an_error_that_says_why(spec: str, complaint: str):
    with pytest.raises(UnknownModelError, match=complaint):
        load(spec)


def test_every_known_model_says_what_it_is():
    assert all(kind.spec and kind.description for kind in PROVIDERS.values())
    assert PROVIDERS["simulated"].spec.startswith("simulated")
