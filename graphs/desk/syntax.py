"""Find the syntax tokens of an answer, for colors on the page."""

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, String, is_token_subtype
from pygments.util import ClassNotFound

MAX_CHARACTERS = 200_000
_CLASSES = (
    (Keyword, "k"),
    (String, "s"),
    (Comment, "c"),
    (Number, "n"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Builtin, "b"),
)


def list_tokens(text: str, language: str | None) -> list[tuple[int, int, str]]:
    """Return start, end and class of each colored token; empty for prose."""
    if language is None or len(text) > MAX_CHARACTERS:
        return []
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return []
    tokens = []
    for start, kind, value in lexer.get_tokens_unprocessed(text):
        for parent, name in _CLASSES:
            if is_token_subtype(kind, parent):
                tokens.append((start, start + len(value), name))
                break
    return tokens
