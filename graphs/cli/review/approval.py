"""Detect replies of a critic that approve the document without a comment."""

import re

_MAX_CHARS = 200
_DECORATION = " \t\r*_`#>()\"'-"
"""Markdown and quotation marks around a statement."""
_SEPARATOR = re.compile(r"[.!,;\n]|\band\b")
_FLAW = r"(?:bug|comment|defect|error|fault|flaw|issue|mistake|problem)s?"
_FLAWS = rf"(?:(?:actual|apparent|obvious|real)\ )?{_FLAW}(?:\ or\ {_FLAW})*"
_DOCUMENT = r"""(?:the|this|your)\ (?:(?:entire|given|provided|whole)\ )?
    (?:answer|change|class|code|diff|document|draft|file|function|implementation|method|module|notebook|patch|program
    |script|solution|text)"""
_APPROVAL = re.compile(
    rf"""
      none | lgtm
    | (?: (?:i|we)\ (?:found|find|see)\ no
        | (?:i|we)\ (?:could\ not|couldn't|did\ not|didn't|do\ not|don't)\ (?:find|see)\ any
        | (?:there\ (?:are|is|were)\ )? no
      )
      \ {_FLAWS}
      (?:\ (?:(?:are|is|was|were)\ )?(?:detected|found|identified))?
      (?:\ (?:here | (?:in|with)\ (?:it|{_DOCUMENT})))?
    | (?:(?:everything|it|this|{_DOCUMENT})\ )? looks\ (?:all\ )?(?:clean|correct|fine|good) (?:\ to\ me)?
    | (?:everything|it|this|{_DOCUMENT})\ is\ (?:clean|correct|fine|good)
    | (?:it|this|{_DOCUMENT})\ has\ no\ {_FLAWS}
    """,
    re.VERBOSE,
)
"""A whole statement that approves the whole document, in lower case and with single spaces."""


def is_approval(text: str) -> bool:
    """Check that a reply is short and that each of its statements approves.

    A statement about a part of the document, or one that excludes only severe flaws, is no approval.
    """
    text = text.strip()
    if len(text) > _MAX_CHARS:
        return False
    text = text.lower().replace("’", "'")
    statements = [_normalize(part) for part in _SEPARATOR.split(text)]
    statements = [statement for statement in statements if statement]
    return bool(statements) and all(map(_APPROVAL.fullmatch, statements))


def _normalize(statement: str) -> str:
    return " ".join(statement.strip(_DECORATION).split())
