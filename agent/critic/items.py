"""Read list items and paragraphs that quote the answer in quotation marks or inline code."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from selfcritic.agent.critic.paragraphs import LIST_MARKER, is_closing
from selfcritic.agent.critic.severity import severity_in_title, split_severity
from selfcritic.agent.schemas import Comment, Severity

IsLocated = Callable[[str], bool]

_QUOTED = re.compile(
    r"""
      “(?P<curly>[^“”]++)”  |  „(?P<low>[^„“”]++)[“”]  |  «(?P<angle>[^«»]++)»  |  »(?P<reversed>[^«»]++)«
    | 「(?P<corner>[^「」]++)」  |  『(?P<white>[^『』]++)』  |  ‹(?P<single>[^‹›]++)›
    | (?<!\w)‘(?P<curly_single>[^‘’]++)’(?!\w)  |  (?<![\w"])"(?P<straight>[^"]++)"
    | (?<![\w'])'(?P<straight_single>[^'\n]++)'(?!\w)
    | (?<!`)(?P<ticks>`{1,3})(?!`)[ ]?(?P<code>[^`]++)(?P=ticks)(?!`)
    """,
    re.VERBOSE,
)
_GROUPS = tuple(name for name in _QUOTED.groupindex if name != "ticks")
_CLOSING_MARKS = {'"': '"', "“": "”", "'": "'"}
_MAX_CLOSING_MARKS = 6
_MAX_QUOTES = 30
_MAX_TITLE = 80  # characters
_EMPHASIS = re.compile(r"[*_]{1,3}")
_LINE_LABEL = re.compile(
    r"""
    [*_]{0,3}
    (?:(?:on[ ]|in[ ])?(?:lines?|sentence|step|paragraph|point|claim|issue|error|problem|flaw|mistake)
      |zeilen?|satz|schritt|fehler|punkt|absatz|lignes?|phrase|étape|erreur|líneas?|frase|paso|error|第|问题|错误|問題)
    [ ]?[#]?(?:\d{1,6}(?:[ ]?[-–][ ]?\d{1,6})?|[一二三四五六七八九十]{1,3})[ ]?[行句步]?[*_]{0,3}[ ]?
    (?:[(（\[][^)）\]\n]{1,20}[)）\]])?[*_]{0,3}[ ]?
    (?:[:：,，.–—→]|->|[-](?=[ ]))[*_]{0,3}[ ]*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[*_]{0,3}\s*(?:[:：]|[-–—]+(?=\s)|[→⇒]|->|=>|,\s(?=wrong))[*_]{0,3}\s*")
_BOLD_START = re.compile(r"\*\*(?P<bold>[^*\n]++)\*\*")
_BARE_SEPARATOR = re.compile(r"[ \t]*(?:[→⇒]|[ ][–—-][ ]|->|=>|[:：][ \n])")
_MAX_BARE_QUOTE = 1_000  # characters
_SENTENCE_END = re.compile(r"[.!?。！？؟][*_]{0,3}\s*\Z")
_PRAISE_HEADING = re.compile(
    r"""
    [\s#*_\d.)✅✓✔👍]*
    (?:strengths?|positives?|pros|what\ (?:works|is\ (?:good|right|correct))\b
      |correct\ (?:parts|points|claims)|good\ points|praise|优点|优势|正确之处|stärken|positiv\w*
      |points\ forts|puntos\ fuertes|fortalezas|aciertos|نقاط\ القوة|良い点|強み)
    [\w\s]{0,20}[\s:：*_]*\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HEADING = re.compile(
    r"""
    [ \t]*+
    (?:\#{1,6}[ \t][^\n]* | (?:\d{1,3}[.)][ \t]+)?\*\*[^*\n]+\*\*[ \t]*[:：]? | [^\n.!?。！？"“«「`]{1,50}[:：])
    [ \t]*
    """,
    re.VERBOSE,
)
_PRAISE_MARKS = ("✅", "✓", "✔", "👍")
_FENCED_BLOCK = re.compile(
    r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*\n(?s:.*?)(?:^[ \t]*+\1[^\n]*$|\Z)", re.MULTILINE
)
_LINE_WITH_ITEM = re.compile(rf"(?:{LIST_MARKER.pattern}|[\"“„«「『‹(（\[【])")


@dataclass
class _Block:
    """A list item or paragraph."""

    indent: int
    marker: str
    lines: list[str]
    is_adjacent: bool = False
    """Whether no blank line separates it from the block above."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


@dataclass(frozen=True)
class _QuoteInBlock:
    quote: str
    text: str
    """What the block has apart from the quote, or the whole block."""
    severity: Severity | None


def read_items(text: str, is_located: IsLocated) -> list[Comment]:
    """Return one comment for each list item or paragraph that quotes the answer."""
    comments: list[Comment] = []
    blocks = list(_blocks(_FENCED_BLOCK.sub("", text)))
    is_praise = False
    title_severity: Severity | None = None
    parent: _Block | None = None
    pending: _QuoteInBlock | None = None
    for block in blocks:
        if _HEADING.fullmatch(block.text):
            is_praise = _PRAISE_HEADING.match(block.text) is not None
            title_severity = severity_in_title(block.text)
        elif len(block.lines) == 1 and len(block.text) <= _MAX_TITLE:
            title_severity = severity_in_title(block.text) or title_severity
        if is_praise or block.text.startswith(_PRAISE_MARKS):
            parent = pending = None
            continue
        quoted = _find_quote(block, is_located, title_severity)
        if quoted is not None and quoted.text:
            comments.append(_comment(quoted))
            parent, pending = block, None
        elif quoted is not None:
            pending = quoted
            parent = None
        elif pending is not None and not is_closing(block.text):
            text_below = _strip_lead(block.text)
            severity, rest = split_severity(text_below)
            comments.append(
                Comment(
                    quote=pending.quote,
                    text=rest.strip() or text_below,
                    severity=severity or pending.severity,
                )
            )
            parent, pending = block, None
        elif parent is not None and comments and block.marker and block.indent > parent.indent:
            last = comments[-1]
            last.text = f"{last.text}\n- {block.text}"
        else:
            parent = None
    return comments


def _comment(quoted: _QuoteInBlock) -> Comment:
    return Comment(quote=quoted.quote, text=quoted.text, severity=quoted.severity)


def _blocks(text: str) -> Iterator[_Block]:
    """Split a text into list items and paragraphs.

    A line that begins with a quote or a severity mark begins a block, too.
    """
    block: _Block | None = None
    for line in text.split("\n"):
        if not line.strip():
            if block is not None:
                yield block
            block = None
            continue
        marker = LIST_MARKER.match(line)
        is_heading = _HEADING.fullmatch(line) is not None
        is_start = marker is not None or _begins_with_quote(line)
        if block is not None and (is_start or is_heading):
            yield block
            block = None
        if block is None:
            indent = len(line) - len(line.lstrip(" \t"))
            prefix = marker[0] if marker is not None else ""
            block = _Block(indent, prefix.strip(), [line[len(prefix) :]])
        else:
            block.lines.append(line)
    if block is not None:
        yield block


def _begins_with_quote(line: str) -> bool:
    _, rest = split_severity(line[:200])
    start = rest.lstrip(" \t*_")
    label = _LINE_LABEL.match(start)
    if label is not None:
        start = start[label.end() :].lstrip("*_")
    return start.startswith(_PRAISE_MARKS) or _QUOTED.match(start) is not None


def _strip_lead(text: str) -> str:
    return LIST_MARKER.sub("", text, count=1).strip()


def _find_quote(
    block: _Block, is_located: IsLocated, title_severity: Severity | None
) -> _QuoteInBlock | None:
    severity, text = split_severity(block.text)
    text = text.strip()
    label = _LINE_LABEL.match(text)
    if label is not None:
        title_severity = severity_in_title(label[0]) or title_severity
        text = text[label.end() :]
    leading = _leading_quote(text, is_located)
    if leading is not None:
        leading_quote, rest = leading
        if severity is None:
            severity, rest = split_severity(rest)
        return _QuoteInBlock(leading_quote, rest.strip(), severity or title_severity)
    quote = _inner_quote(text, is_located)
    if quote is None:
        return None
    return _QuoteInBlock(quote, text, severity or title_severity)


def _leading_quote(text: str, is_located: IsLocated) -> tuple[str, str] | None:
    """Return the quote that a text begins with, and the comment after it."""
    for quote, end in _bare_quotes(text):
        is_sentence = len(quote.split()) > 2 or (not quote.isascii() and len(quote) > 5)
        if is_sentence and is_located(quote):
            rest = text[end:]
            separator = _SEPARATOR.match(rest)
            return quote, rest[separator.end() :] if separator is not None else rest
    start = text.lstrip("*_ ")
    emphasis = text[: len(text) - len(start)].strip()
    for quote, end in _quotes_at_start(start):
        if not is_located(quote):
            continue
        rest = start[end:]
        separator = _SEPARATOR.match(rest)
        if separator is not None:
            return quote, rest[separator.end() :]
        closed = _EMPHASIS.match(rest) if emphasis else None
        if closed is not None:
            return quote, rest[closed.end() :]
        if not rest.strip() or rest.startswith("\n"):
            return quote, rest
        is_code = start.startswith("`")
        if not _is_specific(quote, is_code=is_code):
            continue
        is_next_sentence = rest[:1].isspace() and not rest.lstrip()[:1].islower()
        if is_next_sentence and _SENTENCE_END.search(quote):
            return quote, rest
        return quote, text
    return None


def _bare_quotes(text: str) -> Iterator[tuple[str, int]]:
    """Yield words at the start of a text that could be a quote without marks, with their ends."""
    bold = _BOLD_START.match(text)
    if bold is not None:
        yield bold["bold"], bold.end()
    separator = _BARE_SEPARATOR.search(text[:_MAX_BARE_QUOTE])
    if separator is not None:
        yield text[: separator.start()], separator.start()


def _quotes_at_start(text: str) -> Iterator[tuple[str, int]]:
    """Yield quotes at the start of a text with their ends, the longest first."""
    match = _QUOTED.match(text)
    if match is None:
        return
    closing_mark = _CLOSING_MARKS.get(text[0])
    if closing_mark is not None:
        ends = [end.start() for end in re.finditer(re.escape(closing_mark), text[1:2000])]
        for end in reversed(ends[:_MAX_CLOSING_MARKS]):
            yield text[1 : end + 1], end + 2
    else:
        yield _content(match), match.end()


def _content(match: re.Match[str]) -> str:
    contents = [match[name] for name in _GROUPS if match[name] is not None]
    return contents[0].strip()


def _inner_quote(text: str, is_located: IsLocated) -> str | None:
    """Return the longest quote of the answer inside a text, or None."""
    quotes: list[str] = []
    for match in _QUOTED.finditer(text):
        quote = _content(match)
        if len(quotes) >= _MAX_QUOTES:
            break
        if _is_specific(quote, is_code=match["code"] is not None):
            quotes.append(quote)
    return _longest_located(quotes, is_located)


def _is_specific(quote: str, *, is_code: bool) -> bool:
    """Whether a quote inside a sentence is more than a word that the critic uses."""
    has_words = len(quote.split()) > 1 or not quote.isascii()
    has_digits = any(character.isdigit() for character in quote)
    is_expression = is_code and len(quote) > 2 and not quote.isidentifier()
    return has_words or has_digits or is_expression


def _longest_located(quotes: Sequence[str], is_located: IsLocated) -> str | None:
    for quote in sorted(quotes, key=len, reverse=True):
        if is_located(quote):
            return quote
    return None
