"""Read who takes what from an answer, and edit it in place."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.comments import comment_on, overlaps
from selfcritic.agent.tasks.three_sat.clauses import ClauseLiteral, literal_text


@dataclass(frozen=True)
class Assignment:
    """An answer and the places where it names who takes what."""

    text: str
    mentions: Sequence[re.Match[str]]
    """Matches with the groups "person" and "thing"."""

    @cached_property
    def first_mentions(self) -> dict[str, re.Match[str]]:
        """Return the first mention of each person."""
        return {mention["person"]: mention for mention in reversed(self.mentions)}

    @cached_property
    def values(self) -> dict[str, str]:
        """Map each person who takes exactly one thing to that thing."""
        literals = dict.fromkeys(
            (mention["person"], mention["thing"].lower()) for mention in self.mentions
        )
        num_things = Counter(person for person, _ in literals)
        return {person: thing for person, thing in literals if num_things[person] == 1}

    def quoted_people(self, comment: Comment) -> set[str]:
        """Return the people whose mentions the comment quotes."""
        people = set()
        for mention in self.mentions:
            if overlaps(comment, self.text, mention.start(), mention.end()):
                people.add(mention["person"])
        return people

    def comment_on(self, mention: re.Match[str], problem: str, fix: ClauseLiteral) -> Comment:
        """Comment on a mention: the problem, and what a person should take."""
        person, thing = fix
        return comment_on(
            self.text, mention.start(), mention.end(), f"{problem}: {person} should take {thing}."
        )

    def assign(self, person: str, thing: str) -> str:
        """Change what a person takes in all mentions; add a missing person."""
        if person not in self.first_mentions:
            return self.add(person, thing)
        text = self.text
        for mention in reversed(self.mentions):
            if mention["person"] == person:
                start, end = mention.span("thing")
                text = text[:start] + thing + text[end:]
        return text

    def add(self, person: str, thing: str) -> str:
        """Add a mention after the last one, with the separator of the last two.

        The separator is a line break if there are no two mentions, or if letters or digits separate them.
        """
        last = self.mentions[-1]
        separator_start = self.mentions[-2].end() if len(self.mentions) > 1 else 0
        separator = self.text[separator_start : last.start()]
        if not separator or re.search(r"[^\W_]", separator):
            separator = "\n"
        end = last.end()
        return self.text[:end] + separator + literal_text((person, thing)) + self.text[end:]

    def remove(self, person: str) -> str:
        """Remove the person's mentions.

        Each is cut up to the next person's mention. At the end of the list, the cut starts after the previous mention.
        """
        text = self.text
        others = [mention for mention in self.mentions if mention["person"] != person]
        for mention in reversed(self.mentions):
            if mention["person"] != person:
                continue
            start, end = mention.span()
            next_start = next((match.start() for match in others if match.start() > end), None)
            if next_start is not None:
                text = text[:start] + text[next_start:]
            else:
                previous_end = max(
                    (match.end() for match in others if match.end() < start), default=0
                )
                text = text[:previous_end] + text[end:]
        return text


def compile_mention_pattern(people: Iterable[str], things: Iterable[str]) -> re.Pattern[str]:
    """Compile a pattern for mentions.

    It matches "Ann takes tea" and "Ann: tea", also in a table.
    """
    person = _alternatives(people)
    thing = _alternatives(things)
    verb = r"(?:(?:takes|gets|has|should take)\b[^\w\n]{0,6})?"
    return re.compile(
        rf"(?<!\w)(?P<person>{person})(?!\w)[^\w\n]{{0,6}}{verb}(?P<thing>(?i:{thing}))(?!\w)"
    )


def _alternatives(names: Iterable[str]) -> str:
    """Return a pattern for any of the names, preferring longer names."""
    return "|".join(map(re.escape, sorted(names, reverse=True)))
