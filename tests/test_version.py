"""The top-level module: version and shortcuts."""

from importlib.metadata import version

import pytest

import selfcritic
from selfcritic.agent import load
from selfcritic.graphs import create_review, create_self_critique


def test_version_is_that_of_the_package():
    assert selfcritic.__version__ == version("selfcritic")


def test_shortcuts_are_the_functions_of_the_packages():
    assert selfcritic.load is load
    assert selfcritic.create_self_critique is create_self_critique
    assert selfcritic.create_review is create_review
    assert set(selfcritic.__all__) == {
        "__version__",
        "create_review",
        "create_self_critique",
        "load",
    }


def test_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match="'selfcritic' has no attribute 'critique'"):
        selfcritic.critique  # noqa: B018
