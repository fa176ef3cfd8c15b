"""Step through a sequence of tokens."""

from collections.abc import Sequence

from selfcritic.agent.checkers.arithmetic.bounded import Unsupported
from selfcritic.agent.checkers.arithmetic.tokenizer import Token, get_words


class TokenCursor:
    """A position in a sequence of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    def kind(self, ahead: int = 0) -> str:
        """Return the kind of a later token, or "end"."""
        index = self.position + ahead
        if index >= len(self.tokens):
            return "end"
        return self.tokens[index].kind

    def previous_kind(self) -> str:
        """Return the kind of the last token read."""
        return self.tokens[self.position - 1].kind

    def words(self) -> list[str]:
        """Return the words of the current token, if any."""
        if self.kind() != "word":
            return []
        return get_words(self.tokens[self.position])

    def is_spaced(self) -> bool:
        """Return whether whitespace precedes the current token."""
        return self.tokens[self.position].spaced

    def is_at_end(self) -> bool:
        """Return whether all tokens have been read."""
        return self.position >= len(self.tokens)

    def skip(self) -> None:
        """Move past the current token."""
        self.position += 1

    def expect(self, kind: str) -> Token:
        """Read the current token.

        Raises:
            Unsupported: It is of another kind.
        """
        if self.kind() != kind:
            raise Unsupported
        self.skip()
        return self.tokens[self.position - 1]


def starts_repetend(tokens: Sequence[Token], index: int) -> bool:
    """Detect digits in parentheses that directly follow a decimal, as in 0.1(6)."""
    following = tokens[index : index + 3]
    if [token.kind for token in following] != ["open", "number", "close"] or index == 0:
        return False
    has_decimals = "." in tokens[index - 1].text
    return has_decimals and not following[0].spaced and following[1].text.isdigit()
