import typing
from typing import cast

import pytest
from pydantic import ValidationError

from selfcritic.agent.context import Context
from selfcritic.agent.options import Options, to_context


def test_options_are_the_fields_of_context():
    assert set(Options.__annotations__) == set(Context.model_fields)


def test_optional_options_accept_none():
    for name, annotation in typing.get_type_hints(Options).items():
        default = Context.model_fields[name].get_default(call_default_factory=True)
        if default is None:
            assert type(None) in typing.get_args(annotation), name


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("critiqes", "num_critiques"),
        ("critiques", "num_critiques"),
        ("temperature", "temperatures"),
        ("max_round", "max_rounds"),
    ],
)
def test_a_misspelled_option_names_the_right_one(name: str, suggestion: str):
    with pytest.raises(ValidationError, match=f"no option '{name}': did you mean '{suggestion}'"):
        to_context({name: 1})


def test_an_unknown_option_lists_all_options():
    with pytest.raises(ValidationError, match=r"options are model, .*max_input_chars"):
        to_context(cast(Options, {"zz": 1}))
