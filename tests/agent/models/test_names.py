"""Messages about names and addresses that cannot be right."""

import pytest

from selfcritic.agent import load
from selfcritic.agent.errors import UnknownModelError


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smollm2:135m", "Add its provider: ollama_chat/smollm2:135m or openai/smollm2 (with"),
        ("smollm2", "Add its provider: openai/smollm2 (with api_base, --api-base, for your own"),
        ("llama_cpp/smollm2", "use 'openai/smollm2' with the server's address"),
        ("local/smollm2", "use 'local:smollm2'"),
    ],
)
def test_a_name_without_a_provider_is_explained(spec: str, message: str):
    with pytest.raises(UnknownModelError) as raised:
        load(spec)
    assert message in str(raised.value)


@pytest.mark.parametrize("option", ["api_base", "base_url"])
def test_load_checks_the_address(option: str):
    with pytest.raises(UnknownModelError, match=f"{option} needs http://"):
        load("openai/x", **{option: "127.0.0.1:8000/v1"})
