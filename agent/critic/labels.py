"""Name the parts of a comment in labels, table columns and JSON keys of several languages."""

import re

QUOTE = (
    "quote|quotes|quoted text|quoted|text|excerpt|passage|original|original text|sentence|statement|claim|snippet|"
    "highlight|span|location|code|line of code|words|phrase|引用|引文|原文|原句|原话|句子|片段|"
    "zitat|textstelle|stelle|satz|citation|extrait|passage cité|cita|texto|fragmento|frase|اقتباس|الاقتباس|النص|"
    "箇所|該当箇所|цитата"
)
ISSUE = (
    "issue|problem|flaw|error|mistake|comment|critique|criticism|explanation|reason|why|analysis|description|concern|"
    "feedback|what is wrong|what's wrong|why it's wrong|why it is wrong|message|finding|"
    "rationale|justification|details|assessment|observation|"
    "问题|错误|评论|批评|说明|解释|原因|分析|问题点|問題点|問題|指摘|コメント|説明|"
    "fehler|kommentar|kritik|erklärung|begründung|probleme|problème|erreur|commentaire|explication|critique|"
    "problema|error|comentario|explicación|crítica|المشكلة|مشكلة|الخطأ|خطأ|التعليق|ملاحظة|проблема|ошибка"
)
FIX = (
    "fix|suggestion|correction|corrected|suggested fix|proposed fix|recommendation|solution|improvement|should be|"
    "replacement|修改|建议|更正|改正|修正|修正案|korrektur|vorschlag|verbesserung|corrección|sugerencia|propuesta|"
    "التصحيح|الصواب|исправление"
)

_NUMBER = r"(?: ?#?\d{1,3})?"


def label_line(labels: str) -> re.Pattern[str]:
    """Return a pattern for lines such as "- **Quote:** value"; the value is the group `value`."""
    bullet = r"(?:[-*+•・]++[ \t]++|\d{1,3}[.)][ \t]++)?"
    colon = r" ?[*_]{0,3} ?[:：] ?(?:\*\*|__|[*_](?=\s))?[ \t]*+"
    return re.compile(
        rf"^[ \t]*+{bullet}[*_]{{0,3}}(?:{labels}){_NUMBER}{colon}(?P<value>[^\n]*)$",
        re.MULTILINE | re.IGNORECASE,
    )


_ISSUE_START = re.compile(
    rf"\A[\s\-+•]*[*_]{{0,3}}(?:{ISSUE})[ ]?[*_]{{0,3}}[ ]?[:：][*_]{{0,3}}\s*(?=\S)", re.IGNORECASE
)


def without_issue_label(text: str) -> str:
    """Remove a label such as "Issue:" at the start of a comment."""
    return _ISSUE_START.sub("", text)


def matches(labels: str, name: str) -> bool:
    """Whether a column or key has one of the labels."""
    plain = name.replace("_", " ").strip(" *`:#")
    return re.fullmatch(rf"(?:{labels})", plain, re.IGNORECASE) is not None
