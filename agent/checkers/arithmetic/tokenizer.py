r"""A text as tokens of arithmetic: numbers, signs and words, LaTeX or plain; whatever else it holds is "other".

One pattern, tried at each place in turn and never twice, so that reading takes time linear in the text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from selfcritic.agent.checkers.arithmetic.vocabulary import COUNTING, FUNCTIONS, TWO_LETTERS


class Token(NamedTuple):
    """One token of a text, `text == source[start:end]`."""

    kind: str
    text: str
    start: int
    end: int
    spaced: bool
    """Whether white space stands before it."""


_WORD = r"[^\W\d_]++(?:['’\-][^\W\d_]++){0,3}+"
_ITEM = r"[^\S\n]{0,20}(?:\*|[0-9]{1,3}\))(?=\s)"  # the mark of an item of a list

_TOKEN = re.compile(
    rf"""
    (?P<item> \A{_ITEM} )
  | (?P<space> [^\S\n]+ )
  | (?P<silent>                                 # says how it looks, not what it is; and currencies
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
        (?:[0-9]{{1,3}}(?:(?:,|\{{,\}}|\\,)[0-9]{{3}}){{1,12}}(?![0-9])
          | (?:0|[1-9][0-9]*)(?![0-9])) (?:\.[0-9]+)? (?![.,]?[0-9])
      | (?<![\w.])\.[0-9]+ (?![.,]?[0-9])
    )
  | (?P<digits> \\[dt]?frac\s*[0-9]\s*[0-9](?![0-9]) )
  | (?P<frac> \\[dt]?frac(?![A-Za-z]) )
  | (?P<binomial> \\[dt]?binom(?![A-Za-z]) )
  | (?P<factorial> (?<=[0-9)}}])!(?![=!]) )
  | (?P<sqrt> \\sqrt(?![A-Za-z])(?!\s*\[) | √ | \bsqrt(?=\s*\() )
  | (?P<text> \\(?:text|mathrm|textbf|operatorname)\s?\{{[^{{}}\\$\d]{{0,200}}\}}(?:\s?\^\s?\{{?[23]\}}?)? )
  | (?P<newline> \n(?:{_ITEM})? | \\\\ )
  | (?P<other> \.{{2,}} | …|\\[lcd]?dots[cbm]?(?![A-Za-z]) | [,:](?=[0-9]) | [=<>!:+\-*/~^|]=[=>]? )
  | (?P<stop>                                   # what stands on either side belongs to different statements
        [,;:]|\.(?![^\s*\\)\]"'”$])|\\[\[\]()] | \$\$ | =>|--?>|["“”`<>≤≥≠≡→⇒⟹⟺∴•] | (?<=\n)\#+
      | [\u2600-\u27bf\U0001f000-\U0001faff]    # ticks, crosses and the like
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


def tokens(text: str, start: int, end: int) -> Iterator[Token]:
    """The tokens of `text[start:end]`; what only says how the text looks is left out."""
    spaced, last_end, last_kind = True, -1, ""
    for match in _TOKEN.finditer(text, start, end):
        kind = str(match.lastgroup)
        if kind in ("space", "silent"):
            spaced = spaced or kind == "space"
            continue
        kind = _kind(match, kind, glued=last_kind == "number" and last_end == match.start())
        yield Token(kind, match[0], match.start(), match.end(), spaced)
        spaced, last_end, last_kind = False, match.end(), kind


def _kind(match: re.Match[str], kind: str, *, glued: bool) -> str:
    """The kind of a token, once it is known what it stands beside."""
    if kind == "word":
        return "word" if _is_word(match, glued=glued) else "other"
    if kind in ("equals", "approx"):
        return "approx" if match["about"] else kind
    return {"unknown": "other", "text": "word", "item": "newline"}.get(kind, kind)


def _is_word(match: re.Match[str], *, glued: bool) -> bool:
    """Whether letters are a word rather than variables side by side."""
    word, source = match[0].rstrip("²³"), match.string
    if len(word) == 1:  # "a day"; not "3 a"
        before, after = source[max(match.start() - 2, 0) : match.start()], source[match.end() : match.end() + 2]
        return word in "aAI" and re.fullmatch(r"[^\W\d_]\s", before) is not None and after[1:].isalpha()
    if len(word) == 2:
        return word.lower() in TWO_LETTERS and not word.isupper()
    if glued and word not in ("min", "mph"):  # "3xyz", "2nd"
        return False
    return word.lower() not in FUNCTIONS and bool(_VOWEL.search(word)) and not (len(word) == 3 and word.isupper())


def words_of(token: Token) -> list[str]:
    r"""The words of a word or of a \text{…}, in the singular where that is easily told."""
    inner = token.text.partition("{")[2].partition("}")[0] if token.text.startswith("\\") else token.text
    words = re.split(r"[\s/()²³\-]+", inner.lower())
    return [word if word in COUNTING else re.sub(r"(?<=[^s])s$", "", word) for word in words if word[:1].isalpha()]
