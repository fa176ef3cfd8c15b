"""Rate critiques with several comments on CriticGPT's form, by the oracle.

A comment on a list of words is one of these:

- it names a flaw: it is valid, and names or fixes a flaw of the shortest correction;
- a nitpick: it is valid, but adds nothing. The shortest correction leaves its word in place (the word is out of order
  only because another one is misplaced), or an earlier comment of the critique names the same flaw;
- a hallucinated problem: its claim is false, or its quote is not in the answer.
"""

from typing import NamedTuple

from selfcritic.agent.data.records import AnswerRecord, RatingForm
from selfcritic.agent.evals.rating import fill_form
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.agent.tasks import Task, parse_task
from selfcritic.agent.training.tiny.examples import GradedDraft
from selfcritic.agent.training.tiny.multi_comment import find_named


class Verdict(NamedTuple):
    """What the oracle knows of a comment."""

    is_valid: bool
    named: frozenset[str]
    """Ids of the bugs that it names."""


class CritiqueGrader:
    """Rates critiques of one answer; equal comments are checked once."""

    def __init__(self, record: AnswerRecord) -> None:
        task = parse_task(record.question)
        if task is None:
            raise ValueError(f"{record.question!r} is not the question of a built-in task.")
        self._task: Task = task
        self._bugs = record.bugs or []
        flaws = [Comment(quote=bug.quote or "", text=bug.description) for bug in self._bugs]
        self._draft = GradedDraft(task, record.answer, flaws)
        self._verdicts: dict[tuple[int | None, int | None, str], Verdict] = {}

    def rate(self, critique: Critique) -> RatingForm:
        """Fill the form for a critique."""
        named: set[str] = set()
        is_invented = bool(critique.ungrounded)
        is_nitpick = False
        for comment in critique.comments:
            verdict = self._judge(comment)
            if not verdict.is_valid:
                is_invented = True
            elif verdict.named <= named:
                is_nitpick = True
            named |= verdict.named
        included = {bug.id: bug.id in named for bug in self._bugs}
        return fill_form(included, is_invented=is_invented, is_nitpick=is_nitpick)

    def _judge(self, comment: Comment) -> Verdict:
        key = (comment.start, comment.end, comment.text)
        if key not in self._verdicts:
            is_valid = self._task.is_valid(self._draft.answer, comment)
            indexes = find_named(self._draft, [comment])
            named = frozenset(self._bugs[index].id for index in indexes)
            self._verdicts[key] = Verdict(is_valid, named)
        return self._verdicts[key]
