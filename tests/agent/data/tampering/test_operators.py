"""Operators: places, spacing, and changes that are new programs."""

import random
import sys

import pytest

from selfcritic.agent.data.tampering import operators
from selfcritic.agent.data.tampering.edits import Edit, apply_edits, changed_lines
from selfcritic.agent.data.tampering.operators import (
    apply_mutation,
    find_mutations,
    is_new_code,
    load_operators,
)
from selfcritic.agent.errors import InputError

CODE = '''\
def f(a, b=2):
    """Return -1 or 2."""
    while a < b and not (a == 3):
        if -a in [b]:
            break
    for i in range(3):
        a += i
    return a[1] -b if b else True
'''


def edits(code: str = CODE, seed: int = 0) -> list[Edit]:
    found = []
    for mutation in find_mutations(code, random.Random(seed)):
        edit = apply_mutation(code, mutation)
        if edit is not None:
            found.append(edit)
    return found


def test_each_edit_is_another_valid_program_with_the_spacing_of_the_code():
    changes = {changed_lines(CODE, edit) for edit in edits()}
    assert ("for i in range(3):", "for i in range(4):") in changes
    assert ("return a[1] -b if b else True", "return a[0] -b if b else True") in changes
    assert (
        "while a < b and not (a == 3):",
        "while a < b and (a == 3):",
    ) in changes
    assert ("if -a in [b]:", "if not -a in [b]:") in changes
    for edit in edits():
        changed = apply_edits(CODE, [edit])
        assert is_new_code(CODE, changed)
        assert '"""Return -1 or 2."""' in changed


def test_keeps_lines_and_comments():
    code = "names = {\n    3: 'a',\n    4: 'b',\n    # Five.\n    5: 'c',\n}\n"
    changed = {apply_edits(code, [edit]) for edit in edits(code)}
    assert code.replace("4", "5") in changed
    assert changed
    for text in changed:
        assert text.count("\n") == code.count("\n")
        assert "# Five." in text


def test_visits_each_position_before_any_twice():
    mutations = find_mutations(CODE, random.Random(1))
    positions = [mutation.position for mutation in mutations]
    num_positions = len(set(positions))
    assert len(set(positions[:num_positions])) == num_positions
    assert mutations == find_mutations(CODE, random.Random(1))
    assert mutations != find_mutations(CODE, random.Random(2))


def test_leaves_out_conspicuous_operators():
    names = set(load_operators())
    assert "NumberReplacer" in names
    assert not {"ExceptionReplacer", "ZeroIterationForLoop", "RemoveDecorator", "NoOp"} & names
    assert not [name for name in names if name.endswith(("_Is", "_IsNot", "_Pow"))]


def test_code_without_a_place_has_no_mutations():
    assert find_mutations("x = y\n", random.Random(0)) == []
    assert find_mutations("", random.Random(0)) == []


def test_layout_and_broken_code_are_not_new_code():
    assert not is_new_code("x = 1", "x  =  1")
    assert not is_new_code("x = 1", "x = ")
    assert not is_new_code("x = 1", "return 1")
    assert is_new_code("x = 1", "x = 2")


def test_raises_if_an_operator_changes_nothing():
    [mutation, *_] = find_mutations(CODE, random.Random(0))
    with pytest.raises(ValueError, match="did not change"):
        apply_mutation("x = y\n", mutation)


def test_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cosmic_ray.plugins", None)
    operators.load_operators.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'selfcritic\[data\]'"):
        load_operators()
    operators.load_operators.cache_clear()
