"""No credential leaves the process in a text, and ordinary text stays as it is."""

import base64
import json
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfcritic.agent import redaction
from selfcritic.agent.errors import InputError, ModelError, SelfcriticError
from selfcritic.agent.redaction import MASK, redact, remember_secrets

CANARY = "Canary-7f3a9b"
WORD = "Swordfish"


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", {})


@pytest.mark.parametrize(
    "text",
    [
        f"Is the server running at http://user:{CANARY}@127.0.0.1:9/v1?",
        f"http://{CANARY}@h/v1",
        f"http://user:x@{CANARY}@h/v1",
        f"http://h/v1?token={CANARY}&x=1",
        f"http://h/v1?x=1&api-key={CANARY}",
        f"http://h/v1?X-Amz-Signature={CANARY}#top",
        f"There is no model 'nosuch?api_key={CANARY}'.",
        f"postgresql://u:{CANARY}%zz@127.0.0.1:9/db",
        f"PostgreSQL://u:{CANARY}/?@127.0.0.1/db",
        f"postgresql+psycopg://u:a@{CANARY}@127.0.0.1/db",
        f"The ledger 'postgresql:/u:{CANARY}@127.0.0.1:9/db' is a folder",
        f"'redis:/u:{CANARY}@h/x' does not exist",
        f"invalid address 'u:{CANARY}@h:9'",
        f"u:{CANARY}@localhost/x",
        f"u:{CANARY}@127.0.0.1",
        f"u:{CANARY}@[::1]:9",
        f"host=127.0.0.1 user=sc password={CANARY} dbname=runs",
        f"password='{CANARY} and more' dbname=runs",
        f"{{'x-api-key': '{CANARY}', 'n': 1}}",
        f'{{"Authorization": "{CANARY}"}}',
        f"Authorization: Bearer {CANARY}",
        f"sent Bearer {CANARY}",
        f"X-Api-Key: {CANARY}",
        f"client_secret = {CANARY}, n=1",
        f'ChatModel(api_key="{CANARY}")',
    ],
)
def test_redacts_credentials_by_their_place(text: str):
    assert MASK in redact(text)
    for fragment in (CANARY, "Canary", "7f3a9b"):
        assert fragment not in redact(text)


@pytest.mark.parametrize(
    "token",
    [
        "sk-proj-abcDEF123456-_x",
        "sk-proj-********************f123",
        "ghp_abcdefghij0123456789",
        "gho_abcdefghij0123456789",
        "github_pat_11ABCDEFG0123456789_abc",
        "xoxb-1234-5678-abcdef",
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijkl",
        "hf_abcDEF123456",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
    ],
)
def test_redacts_tokens_by_their_form(token: str):
    assert redact(f"The value {token} is wrong") == f"The value {MASK} is wrong"


@pytest.mark.parametrize(
    "name",
    [
        "SOME_API_KEY",
        "SOME_KEY_2",
        "AWS_ACCESS_KEY_ID",
        "GH_TOKEN",
        "APP_SECRET",
        "DB_PASSWORD",
        "SOME_CREDENTIAL",
        "SOME_CREDENTIALS",
        "some_api_key",
    ],
)
def test_redacts_the_environment(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, CANARY)
    assert redact(f"no {CANARY}, no") == f"no {MASK}, no"


def test_redacts_credentials_in_addresses_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_URL", f"http://user:{CANARY}@h/v1?n=ordinary")
    monkeypatch.setenv("OTHER_URL", f"http://h/v1?key={WORD}")
    assert redact(f"{CANARY} {WORD} user ordinary") == f"{MASK} {MASK} user ordinary"


def test_keeps_ordinary_values_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_KEY", "none")
    monkeypatch.setenv("PWD", "/home/someone")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "disabled")
    text = "none of /home/someone is disabled"
    assert redact(text) == text


ECHOES = [
    CANARY,
    CANARY.upper(),
    CANARY.lower(),
    base64.b64encode(CANARY.encode()).decode(),
    base64.b64encode(f":{CANARY}".encode()).decode(),
    base64.urlsafe_b64encode(f"ab{CANARY}?".encode()).decode(),
    CANARY.encode().hex(),
]


@pytest.mark.parametrize("echo", ECHOES)
def test_redacts_echoes_of_known_secrets(echo: str):
    for redacted in (redact(f"got {echo}.", CANARY), redact(f"({echo})", CANARY)):
        assert MASK in redacted
        assert echo[3:] not in redacted


@pytest.mark.parametrize("secret", ["a/b c+d=e", 'quo"te\\7', "päss-wört"])
def test_redacts_quoted_secrets(secret: str):
    for echo in (secret, quote(secret, safe=""), json.dumps(secret)):
        redacted = redact(f"got {echo} here", secret)
        assert redacted.replace('"', "") == f"got {MASK} here"


def test_a_secret_that_is_a_word_is_redacted_as_a_word():
    assert redact("Secretary of the secret", "secret") == f"Secretary of the {MASK}"


def test_remembers_the_latest_secrets():
    remember_secrets([CANARY])
    assert redact(CANARY) == MASK
    remember_secrets(f"other-secret-{number}" for number in range(300))
    assert redact(CANARY) == CANARY
    assert len(redaction._remembered) <= 256


def test_makes_paths_of_libraries_relative():
    text = 'File "/home/someone/.venv/lib/python3.11/site-packages/litellm/main.py", line 3'
    assert redact(text) == 'File "litellm/main.py", line 3'
    assert redact(f"in {string.__file__}") == "in string.py"
    assert redact("'/home/someone/data.json' does not exist") == (
        "'/home/someone/data.json' does not exist"
    )


@pytest.mark.parametrize("error_class", [SelfcriticError, InputError, ModelError])
def test_errors_contain_no_credentials(error_class: type[SelfcriticError]):
    assert str(error_class(f"not 'x?api_key={CANARY}'")) == f"not 'x?api_key={MASK}'"


@pytest.mark.parametrize(
    "text",
    [
        "Use key=value pairs; sorted(xs, key=len) and max_tokens=5.",
        "The sk-learn-based approach, hf_hub_download and r8-bit registers.",
        "{'token': 'Yes', 'logprob': -0.1}",
        "A basic understanding of Basic JavaScript and of bearer certificates.",
        "https://medium.com/@someone/a?monkey=3&page=2",
        "Password: choose a good one. The secret is out.",
        "Set OPENAI_API_KEY to a key with access to this model.",
        "Cookie: a small cake. Authorization: ask the owner.",
        "Mail someone@example.com or see git@github.com:a/b.",
        "if password == other: return",
        "budget.seconds, thread_id=… and config={'configurable': {'thread_id': …}}",
    ],
)
def test_keeps_ordinary_text(text: str):
    assert redact(text) == text


WORDS = st.text(string.ascii_letters + "'-", min_size=1, max_size=14)
SENTENCES = st.lists(
    st.tuples(WORDS, st.sampled_from([" ", ", ", ". ", "; ", " (", ") ", ": ", "? ", " 42 "])),
    max_size=12,
)


@given(SENTENCES)
def test_keeps_english(sentence: list[tuple[str, str]]):
    text = "".join(word.lower() + separator for word, separator in sentence)
    assert redact(text) == text


@given(st.text(max_size=200))
def test_accepts_any_text_and_is_idempotent(text: str):
    redacted = redact(text, CANARY)
    assert redact(redacted, CANARY) == redacted


@given(st.text(min_size=8, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_a_known_secret_never_remains(secret: str, before: str, after: str):
    # A secret that consists of letters may be a word, and is not redacted inside a longer one.
    neighbors = before[-1:] + after[:1]
    assume(not secret.isalpha() or re.search(r"[^\W\d_]", neighbors) is None)
    assert secret not in redact(before + secret + after, secret) or secret in MASK


@pytest.mark.parametrize("piece", ["a-", "/", "key=", "sk-", "eyJ", "postgres://", "?", "'", "x_"])
def test_is_fast_on_hostile_texts(piece: str):
    """The texts have 10,000 characters; a quadratic pattern would take minutes."""
    assert redact(piece * (10_000 // len(piece)))
