"""Remove credentials from texts that leave the process: errors, logs, traces and printed messages."""

import base64
import functools
import json
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

MASK = "[key]"
"""Replaces each credential."""

_MIN_SECRET_CHARS = 6
"""A shorter value, such as "x" or "none", occurs in ordinary text."""
_LETTER = r"[^\W\d_]"
_MAX_REMEMBERED = 256
_remembered: dict[str, None] = {}
"""Credentials of this process's models, the latest last."""

_WORD = r"(?:key|token|secret|passw(?:or)?d|passphrase|pwd|credentials?|signature|sig|auth)"
_NAME = re.compile(rf"(?:^|_)[A-Z]*{_WORD}(?:_ID|_?\d+)*$", re.IGNORECASE)
_PUBLIC_VARIABLES = {"PWD", "OLDPWD"}
"""The current and the previous folder."""
_PUBLIC_HEADERS = {"accept", "content-type", "http-referer", "referer", "user-agent", "x-title"}
_OPTION = (
    r"\b(?:[\w-]{0,40}[_-])?"
    r"(?:secret|passw(?:or)?d|passphrase|pwd|credentials?"
    r"|(?:api|access|secret|private|auth|client|session|refresh|master|shared|signing)[_-]?(?:key|token|secret))"
    r"(?:_id|_?\d{1,3})?"
)
"""Name that only credentials have; "key" or "token" alone also names other things."""

_SHAPES = (
    r"(?:sk|pk|rk|gsk|xai|hf|nvapi|r8)[-_](?=[\w.-]{0,200}[\dA-Z*])[\w*.-]{6,}\w",
    r"(?:gh[opsur]|github_pat|glpat|npm|dop_v1)[-_][\w-]{16,}",
    r"xox[a-z]-[\w-]{8,}",
    r"eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?",  # JSON Web Token
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"AIza[\w-]{20,}",
    r"ya29\.[\w-]{20,}",
)
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|$)"
)
_DATABASES = r"(?:postgres\w*|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle)(?:\+\w+)?"
_SCHEME = r"(?:[a-z][a-z0-9+.-]{0,30}://|[a-z][a-z0-9+.-]{1,30}:/)"
"""Start of an address; `Path` turns its two slashes into one."""
_AT_SERVER = r"@(?:localhost|\[[\da-fA-F:]+\]|\d{1,3}(?:\.\d{1,3}){3}|[\w.-]+:\d{1,5}(?!\w))"
"""Server after a user and password without a scheme; an e-mail address has no port."""
_QUOTED = r"(?:'[^']+'|\"[^\"]+\")"
_REPLACEMENTS = (
    (re.compile(rf"\b(?:{'|'.join(_SHAPES)})"), MASK),
    (re.compile(_PRIVATE_KEY, re.DOTALL), MASK),
    # Authorization: the value of a header, or such a header in a text.
    (re.compile(r"\b(Bearer\s+)(?=[\w+/.~=-]{0,80}\d)[\w+/.~=-]{8,}", re.I), rf"\1{MASK}"),
    (re.compile(r"\b(Basic\s+)(?=[\w+/]{0,80}[\d=])[A-Za-z0-9+/]{8,}={0,2}", re.I), rf"\1{MASK}"),
    (
        re.compile(
            r"\b((?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token|auth|secret))\s*:\s*)"
            r"(?=\S{0,200}[\d+/=])[^\r\n,;'\"]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # User and password of an address; an unquoted password may contain any of /, ? and @.
    (re.compile(rf"\b({_DATABASES}://?)[^\s'\"<>]{{0,300}}@", re.I), rf"\1{MASK}@"),
    (re.compile(rf"\b({_SCHEME})[^\s/?#'\"<>]{{0,300}}@", re.I), rf"\1{MASK}@"),
    (re.compile(rf"(?<![\w@/.-])[\w.%+-]{{1,64}}:[^\s/@'\"<>]{{1,200}}(?={_AT_SERVER})"), MASK),
    # Secret option of a URL or spec.
    (
        re.compile(
            rf"([?&;](?:[\w.-]{{0,40}}[_.-])?(?:api|access|auth)?{_WORD}=)[^&;\s'\"<>#]+", re.I
        ),
        rf"\1{MASK}",
    ),
    # Item of a dumped mapping, or an assignment: 'x-api-key': 'abc', password=abc.
    (
        re.compile(
            rf"((['\"])(?:{_OPTION}|[\w-]{{0,20}}(?:authorization|cookie))\2\s*:\s*){_QUOTED}", re.I
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            rf"({_OPTION}['\"]?\s*=(?!=)\s*)(?!\[key]|…|\.\.\.)(?:{_QUOTED}|[^\s'\"&;,)}}\]]+)",
            re.I,
        ),
        rf"\1{MASK}",
    ),
)
_LIBRARY_PATH = re.compile(
    r"(?:[a-z]:)?[\\/][^\s'\"<>|:]{0,200}[\\/](?:site|dist)-packages[\\/]", re.IGNORECASE
)


def redact(text: str, *secrets: str) -> str:
    """Replace credentials in a text, and make the paths of installed libraries relative.

    Credentials are `secrets`, those of models of this process and of its environment in any case or base64, and
    strings that have the form of a key, a password in an address, or a secret option of a URL.
    """
    return _redact(text, _known_secrets(secrets))


def contains_secret(text: str) -> bool:
    """Return whether a text contains a credential of this process's models or environment."""
    known = _known_secrets(())
    return bool(known) and _pattern(known).search(text) is not None


@functools.lru_cache(maxsize=64)
def _redact(text: str, known: tuple[str, ...]) -> str:
    if known:
        text = _pattern(known).sub(MASK, text)
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return _shorten_library_paths(text)


def remember_secrets(secrets: Iterable[str]) -> None:
    """Redact these values from now on, in all texts of this process."""
    for secret in secrets:
        _remembered.pop(secret, None)
        _remembered[secret] = None
    while len(_remembered) > _MAX_REMEMBERED:
        del _remembered[next(iter(_remembered))]


@functools.lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Return whether an option or environment variable of this name holds a credential."""
    return name not in _PUBLIC_VARIABLES and bool(_NAME.search(name.replace("-", "_")))


def is_secret_header(name: str) -> bool:
    """Return whether a header may hold a credential: any but well-known public ones."""
    return name.lower() not in _PUBLIC_HEADERS


def address_secrets(address: str) -> list[str]:
    """Return the user information and the secret query options of an address."""
    secrets = []
    try:
        parts = urlsplit(address)
    except ValueError:
        return []
    user_info, has_user_info, _ = parts.netloc.rpartition("@")
    if has_user_info:
        password = user_info.partition(":")[2] or user_info
        secrets += [password, unquote(password)]
    for option in re.split("[&;]", parts.query):
        name, _, value = option.partition("=")
        if value and is_secret_name(name):
            secrets += [value, unquote(value)]
    return secrets


def _known_secrets(secrets: Iterable[str]) -> tuple[str, ...]:
    candidates = {*secrets, *_remembered}
    for name, value in os.environ.items():
        if "://" in value:
            candidates.update(address_secrets(value))
        elif is_secret_name(name):
            candidates.add(value)
    long_enough = [value for value in candidates if len(value) >= _MIN_SECRET_CHARS]
    return tuple(sorted(long_enough))


@functools.lru_cache(maxsize=8)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    """Match any of the secrets, in any case, and in the encodings that servers echo."""
    alternatives: set[str] = set()
    for secret in secrets:
        alternatives.update(_echoes(secret))
    longest_first = sorted(alternatives, key=lambda pattern: (-len(pattern), pattern))
    return re.compile("|".join(longest_first))


def _echoes(secret: str) -> Iterator[str]:
    """Yield patterns for a secret and its encodings."""
    raw = secret.encode(errors="surrogatepass")
    for text in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], raw.hex()):
        pattern = re.escape(text)
        if text.isalpha():
            pattern = rf"(?<!{_LETTER}){pattern}(?!{_LETTER})"  # a password may be a word
        yield f"(?i:{pattern})"
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        # Only these characters depend on nothing but the secret.
        start = -(-offset * 8 // 6)
        end = (offset + len(raw)) * 8 // 6
        middle = re.escape(encoded[start:end])
        middle = middle.replace("/", "[/_]").replace(re.escape("+"), "[+-]")
        yield rf"{middle}[\w+/-]*={{0,2}}"


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("purelib", "platlib", "stdlib", "platstdlib")}
    return tuple(sorted((folder + os.sep for folder in folders), key=len, reverse=True))


def _shorten_library_paths(text: str) -> str:
    for folder in _library_folders():
        text = text.replace(folder, "")
    return _LIBRARY_PATH.sub("", text)
