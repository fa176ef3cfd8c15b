"""Tests of importing all packages before a stage starts."""

import sys
import types

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.settings import (
    describe_import_error,
    require_packages,
)

NAMES = ("torch", "transformers", "datasets", "accelerate", "peft", "trl", "matplotlib")


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_package_is_named_with_both_extras(
    missing: str, requires_trl: None, monkeypatch: pytest.MonkeyPatch
):
    for name in NAMES:
        content = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, None if name == missing else content)
    if missing != "trl":
        monkeypatch.setattr(sys.modules["trl"], "GRPOTrainer", object, raising=False)
    with pytest.raises(InputError, match=rf"needs {missing}: pip install 'selfcritic\[train,eval"):
        require_packages("GRPOTrainer", ["matplotlib"])


class LazyModule(types.ModuleType):
    """Imports its classes at their first use, as transformers' and TRL's modules do."""

    def __getattr__(self, name: str) -> object:
        try:
            raise ModuleNotFoundError("No module named 'rich'", name="rich")
        except ModuleNotFoundError as error:
            raise RuntimeError(f"Failed to import {name}") from error


def test_a_package_that_the_trainer_needs_is_named(monkeypatch: pytest.MonkeyPatch):
    for name in NAMES:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "trl", LazyModule("trl"))
    with pytest.raises(InputError, match="Training needs rich: pip install"):
        require_packages("SFTTrainer")


def test_an_import_error_without_a_name_keeps_its_message():
    message = describe_import_error(ImportError("libcudart.so is missing"))
    assert "libcudart.so is missing" in message
    assert "None" not in message
