import pytest
from pydantic import ValidationError

from selfcritic.agent import Context
from selfcritic.agent.checkers.registry import CHECKERS, get_checkers
from selfcritic.agent.errors import InputError


async def own(_question: str, _draft: str):
    return []


@pytest.mark.parametrize("name", CHECKERS)
def test_every_name_leads_to_a_checker(name: str):
    [(given, checker)] = get_checkers([name]).items()
    assert given == name
    assert callable(checker)


def test_a_function_goes_by_its_own_name():
    assert get_checkers([own]) == {"own": own}


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(ValidationError, match="there is no checker 'spelling'; there are syntax, lint"):
        Context(checkers=["spelling"])
    with pytest.raises(InputError, match="syntax, lint"):
        get_checkers(["spelling"])


def test_names_and_functions_are_taken_together_and_the_schema_shows_the_names():
    assert Context(checkers=["syntax", own]).checkers == ["syntax", own]
    field = Context.model_json_schema()["properties"]["checkers"]
    assert field["items"] == {"enum": list(CHECKERS), "type": "string"}
    assert field["langgraph_nodes"] == ["classify", "check_answer"]
