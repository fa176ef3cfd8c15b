"""Read how severe a critic calls a flaw.

The form asked for is "[high] text". These are also read:

- other words, such as critical, blocker, minor, nit, hoch, élevée or 高;
- other brackets and emphasis, and more in the brackets: "(high)", "**[very high]**", "[high, bug]", "[severity: high]";
- a word and a colon, "High: text" or "Severity: high", and marks of linters, "[error] text" or "ERROR: text";
- the marker of a list, quotation, heading or table, or an emoji, before the mark: "- [high] text", "🔴 High: text";
- forms that could also be code, if a sentence follows: "{high} Text", "severity=high Text", "[Logic][high] Text".
"""

import re
from collections.abc import Mapping

from selfcritic.agent.critic.folding import fold_text
from selfcritic.agent.schemas import Severity

_WORDS: Mapping[Severity, str] = {
    "high": """
        high critical blocker blocking major severe serious fatal
        高 严重 致命 重大 嚴重 hoch kritisch schwer schwerwiegend élevé élevée haute critique majeur majeure
        alto alta crítico crítica grave عالية عالي مرتفعة مرتفع حرج حرجة высокая высокий 높음
    """,
    "medium": """
        medium moderate med
        中 中等 mittel moyen moyenne modéré modérée medio media moderado moderada متوسطة متوسط средняя средний 중간
    """,
    "low": """
        low minor nit nitpick info informational trivial
        低 轻微 輕微 軽微 niedrig gering faible mineur mineure bajo baja leve منخفضة منخفض بسيطة بسيط низкая низкий 낮음
    """,
}
_BRACKETED_WORDS: Mapping[Severity, str] = {
    "high": "error p0 p1 must-fix",
    "medium": "warning warn p2",
    "low": "note suggestion style cosmetic optional p3 p4",
}
"""Marks of linters and trackers; outside of brackets, these are ordinary words, unless written in capitals."""
_SEVERITY_OF: dict[str, Severity] = {
    fold_text(word): severity
    for table in (_BRACKETED_WORDS, _WORDS)
    for severity, words in table.items()
    for word in words.split()
}
SEVERITY_LABELS = (
    "severity|sev|level|priority|impact|严重程度|严重性|嚴重程度|級別|级别|schweregrad|schwere|gravité|sévérité|gravedad|severidad|"
    "الخطورة|الشدة|重要度|深刻度|重大度|серьёзность"
)

_WORD = "|".join(
    sorted((word for words in _WORDS.values() for word in words.split()), key=len, reverse=True)
)
_LINTER_WORD = "|".join(" ".join(_BRACKETED_WORDS.values()).split()).replace("-", "[- ]")
_OPEN, _CLOSE = r"\\?[\[【［(（〔{<]", r"\\?[\]】］)）〕}>]"
_BLOCK_MARKER = r"(?:(?:[-*+•>]|\#{1,6}|\d{1,3}[.)])[ \t]+|\|[ \t]*)?"
_CATEGORY = (
    rf"(?P<category>\[(?!(?:{_WORD}|{_LINTER_WORD})\b)[^\W\d_][\w /-]{{0,20}}\](?=[ ]?\[))?[ ]?"
)
_DETAIL = r"(?:\s?[,|/;:·]\s?[^\W\d_][\w -]{0,20})?"
"""What may follow in the brackets, such as the kind of flaw in "[high, bug]"."""
_SIGN = "(?:[\u203c\u2600-\u27bf\u2b50\U0001f300-\U0001faff]\ufe0f?[ \t]*)?"
_SEPARATORS = r"(?:[ \t]*(?:[:：]|[-–—](?=\s)))*+\s*+"
_COLON = r"[*_`]{0,3}[ ]?[:：][*_`]{0,3}"
_MARK = re.compile(
    rf"""
    \A\s*+ {_BLOCK_MARKER} {_SIGN} (?P<open>[*_`]{{0,3}})
    (?:
        {_CATEGORY}{_OPEN}\s?{_SIGN}[*_]{{0,3}}(?:(?:{SEVERITY_LABELS})\s?[:：=]\s?)?
        (?:very[ ])?(?P<bracketed>{_WORD}|{_LINTER_WORD})(?:[ -](?:severity|priority))?{_DETAIL}
        \s?{_SIGN}[*_]{{0,3}}\s?{_CLOSE}
        (?:[ ]?[:：](?P<colon_close>[*_`]{{1,3}}) | (?P<close>[*_`]{{0,3}})) {_SEPARATORS}
      | (?:{SEVERITY_LABELS})\s?[*_`]{{0,3}}[:：=][*_`]{{0,3}}\s?[\[(（【]?[*_]{{0,3}}
        (?P<labeled>{_WORD})\b[\])）】]?[*_`]{{0,3}}[.。,;]?{_SEPARATORS}
      | (?P<capitals>(?-i:{_LINTER_WORD.upper()})){_COLON}{_SEPARATORS}
      | (?P<named>{_WORD})(?:[ -](?:severity|priority))?
        (?: {_COLON} | (?P<emphasized>[*_]{{1,3}}) | [ ]?[–—](?=\s) | (?P<hyphen>[ ]-(?=\s)) | (?P<bar>[ ]?\|) )
        {_SEPARATORS}
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LABEL_LINE = re.compile(
    rf"^[ \t]*+(?:[-*+•][ \t]++)?[*_]{{0,3}}(?:{SEVERITY_LABELS})[*_]{{0,3}}[ \t]?[:：][*_]{{0,3}}[ \t]*[*_`\[]{{0,3}}"
    rf"(?P<word>{_WORD})[*_`\]]{{0,3}}[.。]?[ \t]*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)

_IN_TITLE = re.compile(
    rf"[\[【［(（〔][ ]?(?:(?:{SEVERITY_LABELS})[ ]?[:：][ ]?)?(?P<bracketed>{_WORD})(?:[ ]severity)?"
    rf"[ ]?[\]】］)）〕]"
    rf"|(?:{SEVERITY_LABELS})[*_]{{0,3}}[ ]?[:：][*_\s]{{0,4}}(?P<labeled>{_WORD})\b"
    rf"|[ ][-–—:][ ](?P<last>{_WORD})[\s*_:]*\Z",
    re.IGNORECASE,
)
_TITLE_START = re.compile(r"\A(?:[\s#]|\d{1,3}[.)]|[^\w\s*_\[(（【`])*")


def severity_of(word: str) -> Severity | None:
    """Return the severity that a single word or mark means, or None."""
    plain = fold_text(word).strip(" *_`[]()\"'.:").casefold()
    return _SEVERITY_OF.get(plain.replace(" ", "-"))


def split_severity(text: str) -> tuple[Severity | None, str]:
    """Split a severity mark off the start of a comment.

    Returns the severity, or None, and the text after the mark.
    """
    match = _MARK.match(text)
    if match is None:
        return None, text
    opening = match["open"]
    word = match["bracketed"] or match["labeled"] or match["capitals"] or match["named"]
    rest = text[match.end() :]
    severity = severity_of(word)
    is_open_word = match["emphasized"] is not None and not opening.strip("`")
    is_lower_word = match["hyphen"] is not None and word[0].islower()
    if severity is None or is_open_word or is_lower_word:
        return None, text
    if _could_be_code(match) and not _starts_sentence(match, rest):
        return None, text
    is_closed = match["close"] or match["colon_close"]
    if match["bracketed"] and opening and not is_closed:
        rest = opening + rest  # the emphasis goes on after the mark: **[high] Wrong year.** Text
    if match["category"]:
        rest = f"{match['category']} {rest}"
    return severity, rest


def _could_be_code(match: re.Match[str]) -> bool:
    """Whether a mark looks like a placeholder, a tag, an option, an index or an operator."""
    has_sign = any(sign in match[0] for sign in "{<=")
    return has_sign or bool(match["category"] or match["bar"])


def _starts_sentence(match: re.Match[str], rest: str) -> bool:
    """Whether the text after a mark is on the next line, or does not begin in lower case."""
    is_line = "\n" in match[0][len(match[0].rstrip()) :]
    first = rest.lstrip("*_\"'")[:1]
    return is_line or (first.isalpha() and not first.islower())


def split_severity_line(text: str) -> tuple[Severity | None, str]:
    """Remove the first line such as "Severity: high" from a comment."""
    match = _LABEL_LINE.search(text)
    if match is None:
        return None, text
    return severity_of(match["word"]), text[: match.start()] + text[match.end() :]


def severity_in_title(title: str) -> Severity | None:
    """Return the severity in a title such as "Flaw 1 [high]" or "Severity: high"; None without one."""
    severity, _ = split_severity(_TITLE_START.sub("", title[:200]))
    if severity is not None:
        return severity
    match = _IN_TITLE.search(title[-200:])
    if match is None:
        return None
    return severity_of(match["bracketed"] or match["labeled"] or match["last"])


def starts_with_severity(text: str) -> bool:
    """Whether a text begins with a severity mark."""
    return split_severity(text)[0] is not None
