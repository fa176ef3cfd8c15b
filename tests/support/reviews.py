"""Build comments and reviews without running a graph."""

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import Comment, Round, Severity
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review


def make_comment(
    document: str,
    quote: str,
    text: str,
    severity: Severity | None = None,
    **fields: object,
) -> Comment:
    """Build a comment on the first occurrence of a quote."""
    start = document.index(quote)
    return Comment(
        quote=quote, text=text, severity=severity, start=start, end=start + len(quote), **fields
    )


def make_review(
    document: str,
    critique: str = "",
    findings: list[Comment] | None = None,
    **fields: object,
) -> Review:
    """Build a review of `calc.py` from a critique and findings."""
    selected = None
    if critique:
        selected = ground(critique, document).model_copy(update={"selected": True})
    draft = Round(
        answer=document, findings=findings or [], critiques=[selected] if selected else []
    )
    output = ReviewOutput(rounds=[draft], critique=selected, error=None)
    document_fields = {"name": "calc.py", "text": document, "uri": "calc.py", **fields}
    return Review(Document(**document_fields), "Review it.", output)
