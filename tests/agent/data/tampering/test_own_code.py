"""A user's Python file with its tests."""

from pathlib import Path

import pytest

from selfcritic.agent.data.tampering.checks import check_original, create_oracle
from selfcritic.agent.data.tampering.own_code import read_module
from selfcritic.agent.errors import InputError

CODE = '"""Add numbers."""\n\n\ndef add(a, b):\n    return a + b\n'
TESTS = "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sums.py").write_text(CODE)
    Path("test_sums.py").write_text(TESTS)


def test_a_module_is_an_answer_that_its_tests_grade():
    record = read_module(Path("sums.py"), Path("test_sums.py"))
    assert (record.id, record.answer, record.language) == ("sums", CODE, "python")
    assert record.question == "Write the Python module `sums.py`.\n\nAdd numbers."
    oracle = create_oracle(record, seconds=5.0)
    check_original(record, oracle)
    check = oracle.check(CODE.replace("+", "-"))
    assert (check.outcome, check.test, check.message) == ("silent", "test_add", "add(1, 2) is -1")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sums.py", "", "sums.py is empty"),
        ("sums.py", "fn main() {}", "sums.py is not Python"),
        ("test_sums.py", "\n", r"test_sums.py \(--tests\) is empty"),
    ],
)
def test_explains_unusable_files(name: str, text: str, message: str):
    Path(name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_module(Path("sums.py"), Path("test_sums.py"))


def test_explains_a_missing_file():
    with pytest.raises(InputError, match=r"none\.py does not exist"):
        read_module(Path("sums.py"), Path("none.py"))
