"""Serving everybody so that every rule holds: 3-SAT in plain words.

A task looks like "Serve tea or milk to Ann, Bob, Cy and Dee, one each, so that every rule holds:", with rules such as
"Ann takes tea or Bob takes milk or Dee takes tea" below it. Its answer has a line a person, "Ann takes tea". The flaws
of an answer and the comments on them, each of which moves a person towards the nearest right answer:

- person: served nothing, or both. "Bob is missing: Bob should take tea." "Bob is named twice: Bob should take tea."
- rule: a rule is broken. "Breaks rule 3 (Ann takes milk or Bob takes tea): Ann should take milk."
- form: nobody is served. "There is no choice here: it should be Ann takes tea, Bob takes milk."
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import is_quoted, remark_opening
from selfcritic.agent.tasks.three_sat.assignment import Assignment
from selfcritic.agent.tasks.three_sat.clauses import Clause, ClauseLiteral, read_rules, takes
from selfcritic.agent.tasks.three_sat.solver import ClauseMask, nearest_solution

_MOST = 20  # people
_NAMES = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Leo", "Mia", "Ned", "Ola", "Pat")
_THINGS = (("milk", "tea"), ("salad", "soup"), ("cake", "fruit"), ("pasta", "rice"), ("juice", "water"))

_RULE = re.compile(r"\bbreaks rule (?P<number>[0-9]{1,5})\b", re.IGNORECASE)
_PERSON = re.compile(r"(?<!\w)(?P<person>[^\W\d_][\w'’-]*+) is (?:(?P<missing>missing)|named twice)\b", re.IGNORECASE)
_FORM = re.compile(r"\bno choice here\W{1,3}it should be (?P<choice>.+)", re.IGNORECASE)


@dataclass(frozen=True)
class ThreeSat(Task):
    """People to be served one of two things each, under rules."""

    name = "three_sat"
    example = (
        "Serve tea or milk to Ann, Bob and Cy, one each, so that every rule holds: Ann takes tea or Bob takes milk; "
        "Bob takes tea or Cy takes tea; Ann takes milk or Cy takes milk."
    )
    sizes = range(3, 17)

    question: str
    people: tuple[str, ...]
    things: tuple[str, ...]
    rules: tuple[Clause, ...]

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Read rules about two things; too many people, or rules that contradict each other, are an error."""
        people, rules = read_rules(question)
        things = sorted({thing for rule in rules for _, thing in rule})
        if len(things) != 2 or max(map(len, rules)) < 2:
            return None
        if len(people) > _MOST:
            raise InputError(f"three_sat: name at most {_MOST} people, not {len(people)}")
        task = cls(question, tuple(people), tuple(things), tuple(rules))
        task._nearest({})
        return task

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw 2.2 to 3.4 rules a person, of three people each, that a hidden choice keeps."""
        if size not in cls.sizes:
            raise InputError(f"three_sat: choose a size from {cls.sizes[0]} to {cls.sizes[-1]} people, not {size}")
        people, things = _NAMES[:size], rng.choice(_THINGS)
        hidden = {person: rng.choice(things) for person in people}
        number = min(round(size * rng.uniform(2.2, 3.4)), 7 * comb(size, 3))
        rules: dict[Clause, None] = {}
        while len(rules) < number:
            rule = tuple((people[at], rng.choice(things)) for at in sorted(rng.sample(range(size), 3)))
            if any(hidden[person] == thing for person, thing in rule):
                rules[rule] = None
        return cls(_word(people, rng.sample(things, 2), list(rules), rng), people, things, tuple(rules))

    @cached_property
    def _bits(self) -> dict[str, int]:
        """A bit for each person; set, they take the second thing."""
        return {person: 1 << at for at, person in enumerate(self.people)}

    @cached_property
    def _masks(self) -> tuple[ClauseMask, ...]:
        first, second = self.things
        return tuple((self._wanting(rule, second), self._wanting(rule, first)) for rule in self.rules)

    def _wanting(self, rule: Clause, thing: str) -> int:
        return sum({self._bits[person] for person, wanted in rule if wanted == thing})

    def _nearest(self, known: dict[str, str]) -> dict[str, str]:
        """The right choice nearest to a partial one."""
        start = sum(self._bits[person] for person, thing in known.items() if thing == self.things[1])
        free = sum(bit for person, bit in self._bits.items() if person not in known)
        choice = nearest_solution(self._masks, start, free)
        if choice is None:
            raise InputError("three_sat: no choice satisfies all the rules; take one away")
        return {person: self.things[bool(choice & bit)] for person, bit in self._bits.items()}

    @cached_property
    def _serving(self) -> re.Pattern[str]:
        """Somebody served, in words or as in a table."""
        people, things = ("|".join(map(re.escape, sorted(names, reverse=True))) for names in (self.people, self.things))
        verb = r"(?:(?:takes|gets|has|should take)\b[^\w\n]{0,6})?"
        return re.compile(rf"(?<!\w)(?P<person>{people})(?!\w)[^\w\n]{{0,6}}{verb}(?P<thing>(?i:{things}))(?!\w)")

    def _read(self, answer: str) -> Assignment:
        """Find who is served what; a line with "or" in it speaks of a rule."""
        lines = (line for line in re.finditer(r"[^\n]+", answer) if not re.search(r"\bor\b", line[0]))
        return Assignment(
            answer, [serving for line in lines for serving in self._serving.finditer(answer, *line.span())]
        )

    def _broken(self, known: dict[str, str]) -> list[int]:
        """Numbers of the rules that all of their people break."""
        return [
            number
            for number, rule in enumerate(self.rules, 1)
            if all(person in known and known[person] != thing for person, thing in rule)
        ]

    def solution(self) -> str:
        """A line a person."""
        return "\n".join(map(takes, self._nearest({}).items()))

    def is_correct(self, answer: str) -> bool:
        """Whether everybody is served one thing and no rule is broken."""
        known = self._read(answer).known
        return len(known) == len(self.people) and not self._broken(known)

    def flaws(self, answer: str) -> list[Flaw]:
        """Find people missing, then named twice, then rules broken: mending leaves the quotes of the next alone."""
        choice = self._read(answer)
        right, first = self._nearest(choice.known), choice.first
        if not first:
            claim = f"There is no choice here: it should be {', '.join(map(takes, right.items()))}."
            return [Flaw("form", remark_opening(answer, claim))]
        found = [("person", f"{person} is missing", person) for person in self.people if person not in first]
        found += [("person", f"{person} is named twice", person) for person in first if person not in choice.known]
        for number in self._broken(choice.known):
            to_change = next(person for person, thing in self.rules[number - 1] if right[person] == thing)
            found.append(("rule", self._breach(number), to_change))
        return [
            Flaw(kind, choice.comment_on(first.get(person, choice.servings[-1]), claim, (person, right[person])))
            for kind, claim, person in found
        ]

    def _breach(self, number: int) -> str:
        return f"Breaks rule {number} ({' or '.join(map(takes, self.rules[number - 1]))})"

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Whether the rule is broken, or the person served nothing or both, and the fix is one."""
        choice, form = self._read(answer), _FORM.search(comment.text)
        if not choice.servings:
            return form is not None and self.is_correct(form["choice"]) and is_quoted(comment, answer)
        fix, touched = self._fix(comment.text), choice.touched(comment)
        if not fix or not touched:
            return False
        if claim := _RULE.search(comment.text):
            number = int(claim["number"])
            rule = self.rules[number - 1] if number in self._broken(choice.known) else ()
            return fix in rule and not touched.isdisjoint(person for person, _ in rule)
        claim = _PERSON.search(comment.text)
        if not claim or claim["person"] != fix[0] or fix[0] in choice.known or not self._is_possible(fix):
            return False
        return fix[0] not in choice.first if claim["missing"] else fix[0] in touched

    def _is_possible(self, serving: ClauseLiteral) -> bool:
        """Whether some right choice serves the person so."""
        wanted = (self._wanting((serving,), self.things[1]), self._wanting((serving,), self.things[0]))
        return nearest_solution((*self._masks, wanted), 0, 0) is not None

    def _fix(self, text: str) -> ClauseLiteral | None:
        """Whom a comment wants served what."""
        fixes = (fix for fix in self._serving.finditer(text) if "should take" in fix[0])
        return next(((fix["person"], fix["thing"].lower()) for fix in fixes), None)

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Serve somebody the other thing, nothing or both; where nobody is served, in the solution."""
        choice = self._read(answer)
        if not choice.servings:
            choice = self._read(self.solution())
        while True:
            person = rng.choice(list(choice.first))
            other = self._other(choice, person)
            slips = (
                (choice.serve(person, other), f"{person} was served {other} by mistake."),
                (choice.leave_out(person), f"{person} was left out."),
                (choice.add(person, other), f"{person} was named twice, the second time with {other}."),
            )
            wrong, how = rng.choices(slips, weights=(8, 1, 1))[0]
            if self._read(wrong).servings and not self.is_correct(wrong):
                return Injected(wrong, how)

    def _other(self, choice: Assignment, person: str) -> str:
        return self.things[choice.first[person]["thing"].lower() == self.things[0]]

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Serve the person what the comment says; where nobody is served, the choice it names is the answer."""
        choice, form, fix = self._read(answer), _FORM.search(comment.text), self._fix(comment.text)
        if not choice.servings:
            named = self._read(form["choice"]).known if form and is_quoted(comment, answer) else {}
            return "\n".join(map(takes, named.items())) or answer
        return choice.serve(*fix) if fix and choice.touched(comment) else answer

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a rule that is kept, or miss somebody who is there; without a choice, ask for a wrong one."""
        choice = self._read(answer)
        if not choice.servings:
            wrong = self.inject_flaw(self.solution(), rng).answer.replace("\n", ", ")
            return remark_opening(answer, f"There is no choice here: it should be {wrong}.")
        broken = self._broken(choice.known)
        untrue = [
            (self._breach(number), (person, thing))
            for number, rule in enumerate(self.rules, 1)
            for person, thing in rule
            if number not in broken and choice.known.get(person, thing) != thing
        ] or [(f"{person} is missing", (person, self._other(choice, person))) for person in choice.first]
        harmful = [said for said in untrue if len(self._broken(choice.known | dict([said[1]]))) > len(broken)]
        claim, fix = rng.choice(harmful or untrue)
        return choice.comment_on(choice.first[fix[0]], claim, fix)


def _word(people: Sequence[str], things: Sequence[str], rules: Sequence[Clause], rng: random.Random) -> str:
    """Word a task in one of three ways."""
    names, choice = f"{', '.join(people[:-1])} and {people[-1]}", " or ".join(things)
    lines = [" or ".join(map(takes, rule)) for rule in rules]
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    wordings = (
        f"Serve {choice} to {names}, one each, so that every rule holds:\n{numbered}",
        f"Choose {choice} for {names} so that all of these rules hold:\n- " + "\n- ".join(lines),
        f"Please pick {choice} for {names}. These are the rules: {'; '.join(lines)}.",
    )
    return rng.choice(wordings)
