"""Build reviews for tests of the output formats."""

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import Comment, Round, Severity
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review


def comment(text: str, quote: str, message: str, severity: Severity | None = None, **fields: object) -> Comment:
    """Build a comment on the first occurrence of a quote."""
    start = text.index(quote)
    return Comment(quote=quote, text=message, severity=severity, start=start, end=start + len(quote), **fields)


def reviewed(text: str, critique: str = "", findings: list[Comment] | None = None, **fields: object) -> Review:
    """Build the review of a file from a critique's text and checker findings."""
    selected = None
    if critique:
        selected = ground(critique, text).model_copy(update={"selected": True})
    draft = Round(answer=text, findings=findings or [], critiques=[selected] if selected else [])
    output = ReviewOutput(rounds=[draft], critique=selected, error=None)
    document_fields = {"name": "calc.py", "text": text, "uri": "calc.py"} | fields
    return Review(Document(**document_fields), "Review it.", output)
