"""Decode paths that git quotes."""

import re

_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_CONTROL_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


def unquote(path: str) -> str:
    r"""Decode git's quoted paths, such as `"caf\303\251.py"`."""
    path = path.rstrip("\r")
    if not path.startswith('"'):
        return path
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"', path)
    if quoted is None:
        return path
    data = _ESCAPE.sub(_decode_escape, quoted[1].encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "replace")


def _decode_escape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape.isdigit():
        return bytes([int(escape, 8) & 0xFF])
    return _CONTROL_ESCAPES.get(escape, escape)
