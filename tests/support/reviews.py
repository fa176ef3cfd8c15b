"""Reviews made by hand, for what shows them."""

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import Comment, Round, Severity
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review


def comment(text: str, quote: str, said: str, severity: Severity | None = None, **fields: object) -> Comment:
    """A comment on the first occurrence of a quote."""
    start = text.index(quote)
    return Comment(quote=quote, text=said, severity=severity, start=start, end=start + len(quote), **fields)


def reviewed(text: str, critique: str = "", findings: list[Comment] | None = None, **fields: object) -> Review:
    """A review of a file whose critic said this, and whose checkers found that."""
    chosen = ground(critique, text).model_copy(update={"selected": True}) if critique else None
    draft = Round(answer=text, findings=findings or [], critiques=[chosen] if chosen else [])
    output = ReviewOutput(rounds=[draft], critique=chosen, error=None)
    return Review(Document(**{"name": "calc.py", "text": text, "uri": "calc.py", **fields}), "Review it.", output)
