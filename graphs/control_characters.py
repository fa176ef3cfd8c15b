"""Make control characters visible, so that text cannot control the terminal."""

_TAB = 0x09
_DELETE = 0x7F
_CONTROL_PICTURES = 0x2400
"""First of the Unicode symbols for ASCII control characters."""
_UNPICTURED = (
    range(0x80, 0xA0),  # C1 controls
    (0x061C, 0x200E, 0x200F),  # bidirectional marks
    (0x2028, 0x2029),  # separators of lines and paragraphs
    range(0x202A, 0x202F),  # bidirectional embeddings and overrides
    range(0x2066, 0x206A),  # bidirectional isolates
    range(0xD800, 0xE000),  # unpaired surrogates, which no encoding can write
    range(0xE0000, 0xE0080),  # invisible tag characters
)
"""Characters that have no symbol."""


def _build_symbols() -> dict[int, str]:
    symbols = {code: chr(_CONTROL_PICTURES + code) for code in range(32) if code != _TAB}
    symbols[_DELETE] = "␡"
    for codes in _UNPICTURED:
        for code in codes:
            symbols[code] = f"<U+{code:04X}>"
    return symbols


_SYMBOLS = _build_symbols()


_SYMBOLS_IN_LINES = {code: symbol for code, symbol in _SYMBOLS.items() if code != ord("\n")}


def escape_controls(text: str, keep: str = "") -> str:
    """Replace the control characters, except tabs and those in `keep`.

    Replaces bidirectional formatting, unpaired surrogates and invisible tag characters as well.
    """
    symbols = {code: symbol for code, symbol in _SYMBOLS.items() if chr(code) not in keep}
    return text.translate(symbols)


def escape_lines(text: str) -> str:
    """Replace the control characters of a text that may have several lines."""
    if text.isprintable():  # no control character, no surrogate; the usual case
        return text
    return text.replace("\r\n", "\n").translate(_SYMBOLS_IN_LINES)
