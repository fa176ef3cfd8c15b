r"""Tokenize arithmetic in plain text or LaTeX.

Tokens are numbers, signs and words. Anything else becomes a token of kind "other". One pattern is tried once at each
position, so that tokenizing takes time linear in the length of the text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from selfcritic.agent.checkers.arithmetic.vocabulary import (
    FUNCTION_NAMES,
    NUMBER_WORDS,
    TWO_LETTER_WORDS,
)


class Token(NamedTuple):
    """One token of a text: `text == source[start:end]`."""

    kind: str
    text: str
    start: int
    end: int
    spaced: bool
    """Whether whitespace precedes the token."""


_WORD = r"[^\W\d_]++(?:['’\-][^\W\d_]++){0,3}+"
_LIST_MARK = r"[^\S\n]{0,20}(?:\*|[0-9]{1,3}\))(?=\s)"

# All patterns are verbose.
_THOUSANDS = r"(?: (?:\\!)? (?:,|\{,\}) (?:\\!)? | \\, ) [0-9]{3}"
_INTEGER = rf"(?: [1-9][0-9]{{0,2}} (?:{_THOUSANDS}){{1,12}} | 0 | [1-9][0-9]* ) (?![0-9])"
_DOTTED = r"\\dot \s? (?: \{[0-9]\} | [0-9] )"
_REPETEND = rf"""
    \\(?:overline|bar) \s? (?: \{{[0-9]{{1,30}}\}} | [0-9] )
  | {_DOTTED} (?: [0-9]{{0,30}} {_DOTTED} )?
"""
_DECIMALS = rf"""
    \. [0-9]* (?:{_REPETEND})
  | \. \( [0-9]{{1,30}} \)
  | \. [0-9]+ (?: \.{{3}} | … | \\[lcd]?dots(?![A-Za-z]) )?
"""
_DECIMAL_COMMA = r"\{,\} (?: [0-9]{1,2} | [0-9]{4,} ) (?![0-9])"
# What follows may belong to the number, as in 320,\;000 and 0.\mathring{3}.
_CONTINUED = r"""
    [.,]?[0-9]
  | \{?(?:\\!)?,(?:\\[,;:!\ ]|~)[0-9]
  | ,[^\S\n]0[0-9]{2}(?![0-9])
  | \.\{?\\(?!q?quad|text|boxed)[a-z]+\s?\{?[0-9]
"""

_TOKEN = re.compile(
    rf"""
    (?P<item> \A{_LIST_MARK} )
  | (?P<space> [^\S\n]+ )
  | (?P<silent>                                 # formatting commands, currency signs
        \\(?:left|right|[bB]igg?[lr]?|displaystyle|boxed|mathbf|limits)(?![A-Za-z])
      | \\[,;:!\ ] | \\\$ | [$€£¥₹~](?!\$) | \^[ ]?\{{?[ ]?\\circ(?:[ ]?\}})? | °
      | (?<!\s)\*\*(?=[\s.,:;]|$) | (?<!\S)\*\*(?=\S)
    )
  | (?P<equals>
        (?:&\s{{0,9}})? = (?![=>~])
        (?:\s{{0,9}} (?P<about> (?:about|approximately|approx\.|roughly|around)(?=\s) | ~ ) )? &?
      | (?<=\s)(?:equals|is\ equal\ to)(?=\s)
    )
  | (?P<approx> (?:&\s{{0,9}})? (?:≈|≃|≅|(?:\\approx|\\simeq|\\cong)(?![A-Za-z])) &? )
  | (?P<number>
        (?: {_INTEGER} (?:{_DECIMALS}|{_DECIMAL_COMMA})? | (?<![\w.]) (?:{_DECIMALS}) ) (?!{_CONTINUED})
    )
  | (?P<digits> \\[dt]?frac\s*[0-9]\s*[0-9](?![0-9]) )
  | (?P<frac> \\[dt]?frac(?![A-Za-z]) )
  | (?P<binomial> \\[dt]?binom(?![A-Za-z]) )
  | (?P<factorial> (?<=[0-9)}}])!(?![=!]) )
  | (?P<sqrt> \\sqrt(?![A-Za-z])(?!\s*\[) | √ | \bsqrt(?=\s*\() )
  | (?P<text> \\(?:text|mathrm|textbf|operatorname)\s?\{{[^{{}}\\$\d]{{0,200}}\}}(?:\s?\^\s?\{{?[23]\}}?)? )
  | (?P<newline> \n(?:{_LIST_MARK})? | \\\\ )
  | (?P<other> \.{{2,}} | …|\\[lcd]?dots[cbm]?(?![A-Za-z]) | [,:](?=[0-9]) | [=<>!:+\-*/~^|]=[=>]? )
  | (?P<stop>                                   # separates two statements
        [,;:]|\.(?![^\s*\\)\]"'”$])|\\[\[\]()] | \$\$ | =>|--?>|["“”`<>≤≥≠≡→⇒⟹⟺∴•] | (?<=\n)\#+
      | [\u2600-\u27bf\U0001f000-\U0001faff]    # symbols and emoji
      | \\(?:leq?|geq?|lt|gt|neq?|equiv|to|implies|(?:Long)?[rR]ightarrow|iff|(?:Long)?[lL]eftrightarrow|therefore
           |because|q?quad)(?![A-Za-z])
      | \\(?:begin|end)\s?\{{(?:align|aligned|equation|gather|gathered|split|multline|center)\*?\}}
    )
  | (?P<percent> \\?% | \b[Pp]er\s?cent\b )
  | (?P<plus> \+ | (?<=\s)plus(?=\s) )
  | (?P<minus> [-−] | (?<=\s)minus(?=\s) )
  | (?P<power> \^ | (?<=[0-9)])\*\*(?=[0-9(]) | (?<=[0-9)]\ )\*\*(?=\ [0-9(]) )
  | (?P<times> [*×·∙⋅] | \\(?:times|cdot|ast)(?![A-Za-z]) | (?<=\s)[xX](?=\s*[$]?[0-9]) | (?<=[0-9])[xX](?=[0-9])
      | (?<=\s)times(?=\s+[$]?[0-9(]) )
  | (?P<divide> [/÷∕⁄] | \\div(?![A-Za-z]) | (?<=\s)divided\s+by(?=\s) )
  | (?P<raised> [²³] )
  | (?P<scale> \b(?:thousand|million|billion|trillion)\b )
  | (?P<word> {_WORD}[²³]?+(?![0-9_(]) )
  | (?P<open> [(\[] ) | (?P<close> [)\]] ) | (?P<lbrace> \{{ ) | (?P<rbrace> \}} )
  | (?P<unknown> \\[A-Za-z]+\*? | [^\W_]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_VOWEL = re.compile(r"[aeiouyäöüåéèêáàíóú]", re.IGNORECASE)
_FINAL_S = re.compile(r"(?<=[^s])s$")
_WORD_SEPARATORS = re.compile(r"[\s/()²³\-]+")
_KIND_ALIASES = {"unknown": "other", "text": "word", "item": "newline"}
_GLUED_UNITS = ("min", "mph")


def tokenize(text: str, start: int, end: int) -> Iterator[Token]:
    """Yield the tokens of `text[start:end]`, without formatting commands."""
    spaced = True
    previous_end = -1
    previous_kind = ""
    for match in _TOKEN.finditer(text, start, end):
        group = str(match.lastgroup)
        if group == "space":
            spaced = True
            continue
        if group == "silent":
            continue
        follows_number = previous_kind == "number" and previous_end == match.start()
        kind = _token_kind(match, group, follows_number=follows_number)
        yield Token(kind, match[0], match.start(), match.end(), spaced)
        spaced = False
        previous_end = match.end()
        previous_kind = kind


def _token_kind(match: re.Match[str], group: str, *, follows_number: bool) -> str:
    if group == "word":
        return "word" if _is_word(match, follows_number=follows_number) else "other"
    if group in ("equals", "approx"):
        return "approx" if match["about"] else group
    return _KIND_ALIASES.get(group, group)


def _is_word(match: re.Match[str], *, follows_number: bool) -> bool:
    """Return whether letters form a word rather than adjacent variables."""
    word = match[0].rstrip("²³")
    if len(word) == 1:
        return _is_article(match)
    if len(word) == 2:
        return word.lower() in TWO_LETTER_WORDS and not word.isupper()
    if follows_number and word not in _GLUED_UNITS:  # "3xyz", "2nd"
        return False
    if word.lower() in FUNCTION_NAMES:
        return False
    is_acronym = len(word) == 3 and word.isupper()
    return not is_acronym and _VOWEL.search(word) is not None


def _is_article(match: re.Match[str]) -> bool:
    """Return whether one letter is a word, as in "a day"."""
    text = match.string
    before = text[max(match.start() - 2, 0) : match.start()]
    after = text[match.end() : match.end() + 2]
    word = match[0].rstrip("²³")
    follows_word = re.fullmatch(r"[^\W\d_]\s", before) is not None
    return word in "aAI" and follows_word and after[1:].isalpha()


def get_words(token: Token) -> list[str]:
    r"""Return the lowercase words of a word or \text{…} token.

    A plural loses its final s, unless it is a number word such as "tens".
    """
    text = token.text
    if text.startswith("\\"):
        _, _, after_brace = text.partition("{")
        text, _, _ = after_brace.partition("}")
    words = []
    for word in _WORD_SEPARATORS.split(text.lower()):
        if not word[:1].isalpha():
            continue
        singular = word if word in NUMBER_WORDS else _FINAL_S.sub("", word)
        words.append(singular)
    return words
