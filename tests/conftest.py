"""Configure Hypothesis, and forget learned model capabilities between tests."""

import pytest
from hypothesis import settings

from selfcritic.agent.models import normalize
from selfcritic.agent.sampling import capabilities

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _forget_capabilities() -> None:
    """Forget what earlier tests learned about models: fake providers reuse names and ports."""
    capabilities.forget_all()
    normalize.forget_all()
