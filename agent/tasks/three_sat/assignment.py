"""Who takes what: read from an answer, and changed with all that stands around it kept."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.comments import comment_on, overlaps
from selfcritic.agent.tasks.three_sat.clauses import ClauseLiteral, takes


@dataclass(frozen=True)
class Assignment:
    """An answer and where it says who takes what, in groups "person" and "thing"."""

    text: str
    servings: list[re.Match[str]]

    @cached_property
    def first(self) -> dict[str, re.Match[str]]:
        """Where each person is named first."""
        return {serving["person"]: serving for serving in reversed(self.servings)}

    @cached_property
    def known(self) -> dict[str, str]:
        """Whoever takes one thing and no other."""
        said = dict.fromkeys((serving["person"], serving["thing"].lower()) for serving in self.servings)
        times = Counter(person for person, _ in said)
        return {person: thing for person, thing in said if times[person] == 1}

    def touched(self, comment: Comment) -> set[str]:
        """Whose servings the comment's quote touches."""
        return {serving["person"] for serving in self.servings if overlaps(comment, self.text, *serving.span())}

    def comment_on(self, serving: re.Match[str], claim: str, fix: ClauseLiteral) -> Comment:
        """Comment on where somebody is served: a claim, and what somebody should take."""
        return comment_on(self.text, *serving.span(), f"{claim}: {fix[0]} should take {fix[1]}.")

    def serve(self, person: str, thing: str) -> str:
        """Change what the person takes wherever it stands; name who is not named yet."""
        if person not in self.first:
            return self.add(person, thing)
        text = self.text
        for start, end in (serving.span("thing") for serving in reversed(self.servings) if serving["person"] == person):
            text = text[:start] + thing + text[end:]
        return text

    def add(self, person: str, thing: str) -> str:
        """Name the person behind all others, parted like these from each other unless by words or numbers."""
        start, end = self.servings[-2].end() if len(self.servings) > 1 else 0, self.servings[-1].end()
        gap = self.text[start : self.servings[-1].start()]
        gap = "\n" if not gap or re.search(r"[^\W_]", gap) else gap
        return self.text[:end] + gap + takes((person, thing)) + self.text[end:]

    def leave_out(self, person: str) -> str:
        """Cut the person out, up to who comes next or, at the end, from who comes before."""
        text, others = self.text, [serving for serving in self.servings if serving["person"] != person]
        for start, end in (serving.span() for serving in reversed(self.servings) if serving["person"] == person):
            behind = next((other.start() for other in others if other.start() > end), None)
            before = max((other.end() for other in others if other.end() < start), default=0)
            text = text[:start] + text[behind:] if behind else text[:before] + text[end:]
        return text
