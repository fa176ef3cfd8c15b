"""3-SAT in plain words: choose for each person so that every rule holds.

A question looks like "Serve tea or milk to Ann, Bob, Cy and Dee, one each, so that every rule holds:", followed by
rules such as "Ann takes tea or Bob takes milk or Dee takes tea". The answer has one line per person, "Ann takes tea".
The flaws of an answer and their comments, each of which moves one person toward the nearest solution:

- person: takes nothing, or both. "Bob is missing: Bob should take tea." "Bob is named twice: Bob should take tea."
- rule: a rule is broken. "Breaks rule 3 (Ann takes milk or Bob takes tea): Ann should take milk."
- form: nobody takes anything. "There is no choice here: it should be Ann takes tea, Bob takes milk."
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import is_quoted, remark_opening
from selfcritic.agent.tasks.three_sat.assignment import Assignment, compile_mention_pattern
from selfcritic.agent.tasks.three_sat.clauses import Clause, ClauseLiteral, read_rules, rule_text
from selfcritic.agent.tasks.three_sat.solver import ClauseMask, nearest_solution
from selfcritic.agent.tasks.three_sat.wording import (
    no_choice_text,
    write_answer,
    write_line,
    write_question,
)

_MAX_PEOPLE = 20
_NAMES = (
    "Ann",
    "Bob",
    "Cy",
    "Dee",
    "Eve",
    "Fay",
    "Gus",
    "Hal",
    "Ida",
    "Jo",
    "Kim",
    "Leo",
    "Mia",
    "Ned",
    "Ola",
    "Pat",
)
_THINGS = (
    ("milk", "tea"),
    ("salad", "soup"),
    ("cake", "fruit"),
    ("pasta", "rice"),
    ("juice", "water"),
)

_RULE = re.compile(r"\bbreaks rule (?P<number>[0-9]{1,5})\b", re.IGNORECASE)
_PERSON = re.compile(
    r"(?<!\w)(?P<person>[^\W\d_][\w'’-]*+) is (?:(?P<missing>missing)|named twice)\b", re.IGNORECASE
)
_FORM = re.compile(r"\bno choice here\W{1,3}it should be (?P<choice>.+)", re.IGNORECASE)


@dataclass(frozen=True)
class ThreeSat(Task):
    """People who each take one of two things, under rules."""

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
        """Parse rules about two things.

        Raises:
            InputError: there are too many people, or the rules contradict each other.
        """
        people, rules = read_rules(question)
        things = sorted({thing for rule in rules for _, thing in rule})
        if len(things) != 2 or max(map(len, rules)) < 2:
            return None
        if len(people) > _MAX_PEOPLE:
            raise InputError(f"three_sat: name at most {_MAX_PEOPLE} people, not {len(people)}")
        task = cls(question, tuple(people), tuple(things), tuple(rules))
        task._nearest_solution({})  # raises InputError if the rules contradict each other
        return task

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw a solution, then rules that it satisfies.

        Each rule names three people. There are 2.2 to 3.4 rules per person.
        """
        if size not in cls.sizes:
            raise InputError(
                f"three_sat: choose a size from {cls.sizes[0]} to {cls.sizes[-1]} people, not {size}"
            )
        people = _NAMES[:size]
        things = rng.choice(_THINGS)
        solution = {person: rng.choice(things) for person in people}
        max_rules = 7 * comb(size, 3)
        num_rules = min(round(size * rng.uniform(2.2, 3.4)), max_rules)
        rules: dict[Clause, None] = {}
        while len(rules) < num_rules:
            indexes = sorted(rng.sample(range(size), 3))
            rule = tuple((people[index], rng.choice(things)) for index in indexes)
            if any(solution[person] == thing for person, thing in rule):
                rules[rule] = None
        question = write_question(people, rng.sample(things, 2), list(rules), rng)
        return cls(question, people, things, tuple(rules))

    @cached_property
    def _bits(self) -> dict[str, int]:
        """Map each person to a bit; a set bit means the second thing."""
        return {person: 1 << index for index, person in enumerate(self.people)}

    @cached_property
    def _clause_masks(self) -> tuple[ClauseMask, ...]:
        return tuple(self._clause_mask(rule) for rule in self.rules)

    def _clause_mask(self, rule: Clause) -> ClauseMask:
        if_set = 0
        if_unset = 0
        for person, thing in rule:
            if thing == self.things[1]:
                if_set |= self._bits[person]
            else:
                if_unset |= self._bits[person]
        return if_set, if_unset

    def _nearest_solution(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the solution with the fewest changes to a partial assignment."""
        start = 0
        free = 0
        for person, bit in self._bits.items():
            if person not in values:
                free |= bit
            elif values[person] == self.things[1]:
                start |= bit
        solution = nearest_solution(self._clause_masks, start, free)
        if solution is None:
            raise InputError("three_sat: no choice satisfies all the rules; take one away")
        return {person: self.things[bool(solution & bit)] for person, bit in self._bits.items()}

    @cached_property
    def _mention_pattern(self) -> re.Pattern[str]:
        return compile_mention_pattern(self.people, self.things)

    def _parse_answer(self, answer: str) -> Assignment:
        """Find who takes what; a line with "or" quotes a rule and is skipped."""
        mentions: list[re.Match[str]] = []
        for line in re.finditer(r"[^\n]+", answer):
            if not re.search(r"\bor\b", line[0]):
                mentions += self._mention_pattern.finditer(answer, line.start(), line.end())
        return Assignment(answer, mentions)

    def _broken_rules(self, values: Mapping[str, str]) -> list[int]:
        """Return the numbers of the broken rules."""
        broken = []
        for number, rule in enumerate(self.rules, 1):
            if all(person in values and values[person] != thing for person, thing in rule):
                broken.append(number)
        return broken

    def _broken_rule_text(self, number: int) -> str:
        return f"Breaks rule {number} ({rule_text(self.rules[number - 1])})"

    def solution(self) -> str:
        """Return one line per person."""
        return write_answer(self._nearest_solution({}))

    def is_correct(self, answer: str) -> bool:
        """Check that everybody takes one thing and no rule is broken."""
        values = self._parse_answer(answer).values
        return len(values) == len(self.people) and not self._broken_rules(values)

    def flaws(self, answer: str) -> list[Flaw]:
        """List missing people, then people named twice, then broken rules.

        In this order, applying a comment does not change the quotes of the next ones.
        """
        assignment = self._parse_answer(answer)
        solution = self._nearest_solution(assignment.values)
        mentioned = assignment.first_mentions
        if not mentioned:
            return [Flaw("form", remark_opening(answer, no_choice_text(write_line(solution))))]
        problems = []
        for person in self.people:
            if person not in mentioned:
                problems.append(("person", f"{person} is missing", person))
        for person in mentioned:
            if person not in assignment.values:
                problems.append(("person", f"{person} is named twice", person))
        for number in self._broken_rules(assignment.values):
            person = self._person_to_change(number, solution)
            problems.append(("rule", self._broken_rule_text(number), person))
        flaws = []
        for kind, text, person in problems:
            mention = mentioned.get(person, assignment.mentions[-1])
            comment = assignment.comment_on(mention, text, (person, solution[person]))
            flaws.append(Flaw(kind, comment))
        return flaws

    def _person_to_change(self, number: int, solution: Mapping[str, str]) -> str:
        """Return the first person whose choice in the solution satisfies a rule."""
        rule = self.rules[number - 1]
        return next(person for person, thing in rule if solution[person] == thing)

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check that the comment names a real flaw and its fix helps."""
        assignment = self._parse_answer(answer)
        if not assignment.mentions:
            form = _FORM.search(comment.text)
            return (
                form is not None and self.is_correct(form["choice"]) and is_quoted(comment, answer)
            )
        fix = self._parse_fix(comment.text)
        quoted = assignment.quoted_people(comment)
        if fix is None or not quoted:
            return False
        rule_claim = _RULE.search(comment.text)
        if rule_claim is not None:
            number = int(rule_claim["number"])
            if number not in self._broken_rules(assignment.values):
                return False
            rule = self.rules[number - 1]
            return fix in rule and not quoted.isdisjoint(person for person, _ in rule)
        person, _ = fix
        person_claim = _PERSON.search(comment.text)
        if person_claim is None or person_claim["person"] != person:
            return False
        if person in assignment.values or not self._is_possible(fix):
            return False
        if person_claim["missing"]:
            return person not in assignment.first_mentions
        return person in quoted

    def _is_possible(self, literal: ClauseLiteral) -> bool:
        """Check whether any solution contains the literal."""
        masks = (*self._clause_masks, self._clause_mask((literal,)))
        return nearest_solution(masks, 0, 0) is not None

    def _parse_fix(self, text: str) -> ClauseLiteral | None:
        """Return who should take what, according to a comment."""
        for match in self._mention_pattern.finditer(text):
            if "should take" in match[0]:
                return match["person"], match["thing"].lower()
        return None

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Change, remove or duplicate one person.

        An answer without a choice is replaced by the solution first.
        """
        assignment = self._parse_answer(answer)
        if not assignment.mentions:
            assignment = self._parse_answer(self.solution())
        while True:
            person = rng.choice(list(assignment.first_mentions))
            other_thing = self._other_thing(assignment, person)
            corruptions = (
                (
                    assignment.assign(person, other_thing),
                    f"{person} was served {other_thing} by mistake.",
                ),
                (assignment.remove(person), f"{person} was left out."),
                (
                    assignment.add(person, other_thing),
                    f"{person} was named twice, the second time with {other_thing}.",
                ),
            )
            corrupted, description = rng.choices(corruptions, weights=(8, 1, 1))[0]
            if self._parse_answer(corrupted).mentions and not self.is_correct(corrupted):
                return Injected(corrupted, description)

    def _other_thing(self, assignment: Assignment, person: str) -> str:
        """Return the thing that the person's first mention does not name."""
        thing = assignment.first_mentions[person]["thing"].lower()
        return self.things[1] if thing == self.things[0] else self.things[0]

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Apply the assignment in the comment; without a choice, return the proposed one."""
        assignment = self._parse_answer(answer)
        if not assignment.mentions:
            form = _FORM.search(comment.text)
            if form is None or not is_quoted(comment, answer):
                return answer
            proposed = self._parse_answer(form["choice"])
            return write_answer(proposed.values) or answer
        fix = self._parse_fix(comment.text)
        if fix is None or not assignment.quoted_people(comment):
            return answer
        return assignment.assign(*fix)

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Claim that a satisfied rule is broken or a listed person is missing.

        Prefers a comment whose fix breaks more rules. For an answer without a choice, proposes a wrong one.
        """
        assignment = self._parse_answer(answer)
        if not assignment.mentions:
            wrong = self.inject_flaw(self.solution(), rng).answer.replace("\n", ", ")
            return remark_opening(answer, no_choice_text(wrong))
        broken = self._broken_rules(assignment.values)
        candidates = self._false_rule_claims(assignment, broken)
        if not candidates:
            for person in assignment.first_mentions:
                fix = (person, self._other_thing(assignment, person))
                candidates.append((f"{person} is missing", fix))
        harmful = []
        for text, (person, thing) in candidates:
            changed = {**assignment.values, person: thing}
            if len(self._broken_rules(changed)) > len(broken):
                harmful.append((text, (person, thing)))
        text, fix = rng.choice(harmful or candidates)
        person, _ = fix
        return assignment.comment_on(assignment.first_mentions[person], text, fix)

    def _false_rule_claims(
        self, assignment: Assignment, broken: Sequence[int]
    ) -> list[tuple[str, ClauseLiteral]]:
        """Claim that satisfied rules are broken; each fix changes someone."""
        claims = []
        for number, rule in enumerate(self.rules, 1):
            if number in broken:
                continue
            for person, thing in rule:
                if assignment.values.get(person, thing) != thing:
                    claims.append((self._broken_rule_text(number), (person, thing)))
        return claims
