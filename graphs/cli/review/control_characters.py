"""Make control characters visible, so that text cannot control the terminal."""

_TAB = 0x09
_DELETE = 0x7F
_CONTROL_PICTURES = 0x2400
"""First of the Unicode symbols for ASCII control characters."""
_UNPICTURED = (range(0x80, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A))
"""C1 controls and bidirectional formatting characters, which have no symbols."""


def _build_symbols() -> dict[int, str]:
    symbols = {code: chr(_CONTROL_PICTURES + code) for code in range(32) if code != _TAB}
    symbols[_DELETE] = "␡"
    for codes in _UNPICTURED:
        for code in codes:
            symbols[code] = f"<U+{code:04X}>"
    return symbols


_SYMBOLS = _build_symbols()


def escape_controls(text: str, keep: str = "") -> str:
    """Replace the control characters, except tabs and those in `keep`."""
    symbols = {code: symbol for code, symbol in _SYMBOLS.items() if chr(code) not in keep}
    return text.translate(symbols)
