"""Separate a comment from the text around it: headings, closing paragraphs, and introductions of a quote.

Functions that split a text return both parts and lose no character of it except white space.
"""

import re

from selfcritic.agent.critic.severity import starts_with_severity

BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
LIST_MARKER = re.compile(
    r"[ \t]*+(?:[-*+•‣◦–][ \t]+|[❌✗✘✖⚠❗‼⛔🚫🔴🟠🟡🟢🔵👉➡▶►▪■●○]\ufe0f?[ \t]*|・[ \t]*"
    r"|[(（]?\d{1,3}[.)）、](?!\d)[ \t]*|[①-⑳][ \t]*)"
)
_RULE = re.compile(r"[ \t]*+([-*_=])[ \t]*(?:\1[ \t]*){2,}")
_HEADING = re.compile(r"[ \t]*+#{1,6}(?:[ \t].*)?")
_NUMBER = re.compile(r"[ \t]*+(?:[(（]?\d{1,3}[.)）、]|[-*+•①-⑳])[ \t]*")
_BOLD_LINE = re.compile(
    r"""
    [ \t]*+ (?:[-*+•][ \t]+|\d{1,3}[.)、][ \t]*)? (\*\*|__) [^\n]*? [^.。!！\s] \1 [ \t]*
    (?:[\[(（【][^\n]{1,30}[\])）】])? [ \t]* [:：]? [ \t]*
    """,
    re.VERBOSE,
)
_NUMBERED_TITLE = re.compile(
    r"[ \t]*+(?:(?:issue|flaw|error|problem|point|line|lines)[ \t]*)?#?\d{1,4}[.):、：][^\n]{0,80}",
    re.I,
)
_LABEL_LINE = re.compile(r"[ \t]*+[^\n.!?。！？]{1,60}[:：][ \t]*")
_COLON_END = re.compile(r"[:：][\s*_]*\Z")
_FIX_END = re.compile(
    r"""(?:
        \b(?:should|could|must|would|ought|instead|fix|fixed|use|write|replace|change|correct|suggest\w*|rewrite|better
          |try|prefer|e\.g\.|example|besser|stattdessen|korrekt|sollte|müsste|correction|corriger|plutôt|devrait
          |remplacer|corrección|debería|corregir|mejor)\b (?:\s+[^\s)]+){0,4}
      | (?:应|改|修|建议|正确|正しく|修正|例えば|べき)[^。)）\n]{0,20}
      | (?:الصواب|الصحيح|يجب|بدلا)(?:\s+[^\s)]+){0,4}
    )\s*[:：][\s*_]*\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = re.compile(
    r"""[\s*_#>]*+(?:
        overall\b | in\ (?:summary|conclusion|short|total|general)\b | to\ (?:summarize|summarise|sum\ up|conclude)\b
      | (?:final\ )?(?:summary|conclusion|verdict|recommendations?|assessment|thoughts|score|rating)\b[^\n]{0,30}
      | that(?:\ is|'s|’s)\ (?:all|it)\b | please\b | (?:i\ )?hope\b | let\ me\ know\b | would\ you\ like\b
      | if\ you(?:'d|’d|\ would|\ want|\ like|\ need)\b
      | feel\ free\b | (?:these|those|all\ (?:of\ )?these|the\ above|both)\ (?:\w+\ )?
        (?:issues?|problems?|errors?|flaws?|points?|comments?|mistakes?|changes?)\b
      | (?:fixing|addressing|correcting|resolving)\b | (?:apart|aside)\ from\b | other\ than\b | otherwise,
      | (?:the\ )?rest\ of\b | everything\ else\b | (?:with|once|after)\ (?:these|those|this)\b
      | (?:here(?:'s|’s|\ is|\ are)\ (?:a|an|the|my)\ )?(?:suggested\ |fully\ |full\ |complete\ )*
        (?:corrected|revised|improved|rewritten|rewrite|updated|fixed)\b[^\n]{0,40}[:：*]
      | here(?:'s|’s|\ is)\ (?:a|an|the|my|how)\b
      | (?:the|this|your)\ (?:answer|response|text|code)\ (?:is|was|has|needs|does)\b
      | 总之 | 总体 | 总的来说 | 综上 | 總之 | 总结 | 整体 | 结论 | 修改后 | 修正后 | 建议修改 | 希望
      | insgesamt\b | zusammenfass\w* | fazit\b | alles\ in\ allem\b | abschließend\b | korrigierte\b | im\ übrigen\b
      | en\ (?:résumé|conclusion|somme|résumant|resumen|conclusión|general|definitiva)\b | dans\ l['’]ensemble\b
      | globalement\b | au\ total\b | version\ corrigée\b | pour\ conclure\b | conclusión\b | para\ concluir\b
      | por\ lo\ demás\b | versión\ corregida\b
      | بشكل\ عام | الخلاصة | باختصار | في\ الختام | عموما | ختاما
      | 全体として | まとめ | 総じて | 以上 | 結論 | 修正版
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def is_closing(paragraph: str) -> bool:
    """Whether a paragraph closes the critique: a summary, an offer, a rewritten answer."""
    return _CLOSING.match(paragraph) is not None or _RULE.match(paragraph) is not None


def split_closing(text: str) -> tuple[str, str]:
    """Split a comment before its first closing paragraph; its first paragraph always stays."""
    for blank in BLANK_LINE.finditer(text):
        paragraph = text[blank.end() : blank.end() + 200]
        is_heading = _HEADING.match(paragraph) is not None
        if is_heading or is_closing(paragraph):
            return text[: blank.start()].rstrip(), text[blank.end() :]
    return text, ""


def split_next_title(text: str, *, keep_first: bool = True) -> tuple[str, str]:
    """Split off the lines below a comment that are the title of the next one.

    These are headings, rules, list numbers, and bold or numbered titles. The first line stays with `keep_first`.
    """
    lines = text.strip().split("\n")
    end = cut = len(lines)
    while end > int(keep_first):
        line = lines[end - 1]
        has_blank_above = end > 1 and not lines[end - 2].strip()
        if not line.strip():
            end -= 1
        elif _is_title(line, has_blank_above):
            end -= 1
            cut = end
        else:
            break
    return "\n".join(lines[:cut]).rstrip(), "\n".join(lines[cut:]).strip()


def _is_title(line: str, has_blank_above: bool) -> bool:
    is_mark = any(pattern.fullmatch(line) for pattern in (_RULE, _HEADING, _NUMBER, _BOLD_LINE))
    if is_mark:
        return True
    if not has_blank_above:
        return False
    is_numbered = _NUMBERED_TITLE.fullmatch(line) and not line.rstrip().endswith((".", "。"))
    return bool(is_numbered or _LABEL_LINE.fullmatch(line)) and not is_fix_intro(line)


def is_fix_intro(text: str) -> bool:
    """Whether a text ends by introducing a correction, such as "It should be:"."""
    return _FIX_END.search(text[-200:].rstrip()) is not None


def split_lead(text: str, *, may_correct: bool) -> tuple[str, str]:
    """Split off a last paragraph that introduces the quote below it.

    It ends in a colon or is an item of a numbered list. With `may_correct`, the fence below may be a correction, so a
    paragraph such as "It should be:" is not a lead. Otherwise, the lead is empty.
    """
    stripped = text.rstrip()
    start = 0
    for blank in BLANK_LINE.finditer(stripped):
        start = blank.end()
    lead = stripped[start:]
    is_correction = may_correct and is_fix_intro(lead)
    if _is_lead(lead) and not is_correction:
        return stripped[:start], lead
    return text, ""


def _is_lead(paragraph: str) -> bool:
    if starts_with_severity(paragraph) or is_closing(paragraph):
        return False
    if len(paragraph.split()) < 2 and paragraph.isascii():
        return False
    if _COLON_END.search(paragraph):
        return not re.fullmatch(
            r"\s*(?:lines?|zeilen?|lignes?)?\s*[\d–-]+\s*[:：]", paragraph, re.IGNORECASE
        )
    return re.match(r"\s*\d{1,3}[.)、]\s+\S+\s+\S+\s+\S+\s+\S", paragraph) is not None
