"""Values that the tests and the code exchange."""

import contextlib
import datetime
import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.sandbox.inside.codec import Decoder, Encoder, dump, is_plain

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(codec=None, exclude_categories=()))
    | st.binary()
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
)
keys = st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner)
        | st.sets(st.integers())
        | st.frozensets(st.text())
    ),
    max_leaves=10,
)


def refuse(value: Any) -> Any:
    raise ValueError(f"{type(value)} is no data")


def exchange(value: Any) -> Any:
    message = json.loads(dump(Encoder(refuse).encode(value)))
    return Decoder(refuse).decode(message)


@given(values)
def test_data_arrives_unchanged(value: Any):
    received = exchange(value)
    assert received == value
    assert type(received) is type(value)
    assert repr(received) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)
    assert is_plain(received)


def test_special_values_arrive():
    assert math.isnan(exchange(float("nan")))
    assert str(exchange(-0.0)) == "-0.0"
    assert exchange(range(1, 9, 2)) == range(1, 9, 2)
    assert exchange([bytearray(b"a"), {1: {2}}]) == [bytearray(b"a"), {1: {2}}]
    assert exchange((int, ValueError, len, None)) == (int, ValueError, len, None)
    plain = (
        Decimal("1.10"),
        Fraction(1, 3),
        datetime.date(2020, 1, 2),
        datetime.timedelta(1, 2, 3),
    )
    assert exchange(plain) == plain


def test_shared_and_cyclic_references_stay():
    shared = [1]
    cycle: dict[str, Any] = {"both": [shared, shared]}
    cycle["self"] = cycle
    received = exchange(cycle)
    assert received["self"] is received
    assert received["both"][0] is received["both"][1]


def test_changes_of_an_argument_come_back():
    argument: list[Any] = [[3], {"a": 1}]
    encoder = Encoder(refuse)
    decoder = Decoder(refuse)
    copy = decoder.decode(json.loads(dump(encoder.encode(argument))))
    copy[0].append(copy)
    copy[1].clear()

    known = [decoder.containers[number] for number in range(len(decoder.containers))]
    reply = Encoder(refuse, known)
    contents = [(number, reply.encode_content(value)) for number, value in enumerate(known)]
    back = Decoder(refuse, encoder.containers)
    for number, content in json.loads(json.dumps(contents)):
        back.fill(encoder.containers[number], content)
    assert argument[0][0] == 3
    assert argument[0][1] is argument
    assert argument[1] == {}


@pytest.mark.parametrize(
    "value", [object(), lambda: 1, type("T", (), {}), type("I", (int,), {})(3), json]
)
def test_other_values_are_no_data(value: Any):
    assert not is_plain([value])
    with pytest.raises(ValueError, match="is no data"):
        exchange(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
)
KINDS = [
    "ref",
    "builtin",
    "int",
    "float",
    "bytes",
    "list",
    "dict",
    "set",
    "range",
    "Decimal",
    "date",
    "x",
]


@given(st.tuples(st.sampled_from(KINDS), json_values, json_values) | json_values)
def test_malformed_data_raises_only_expected_errors(data: Any):
    data = json.loads(json.dumps(data))
    expected = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError)
    with contextlib.suppress(*expected):
        Decoder(refuse).decode(data)


@pytest.mark.parametrize("name", ["eval", "exec", "open", "__import__", "compile", "getattr"])
def test_only_harmless_builtins_are_exchanged(name: str):
    with pytest.raises((ValueError, TypeError)):
        Decoder(refuse).decode(["builtin", name])
