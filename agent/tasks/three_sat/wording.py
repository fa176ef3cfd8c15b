"""Write questions and answers about who takes what."""

import random
from collections.abc import Mapping, Sequence

from selfcritic.agent.tasks.three_sat.clauses import Clause, literal_text, rule_text


def no_choice_text(proposed: str) -> str:
    """Claim that the answer has no choice, and propose one."""
    return f"There is no choice here: it should be {proposed}."


def write_answer(values: Mapping[str, str]) -> str:
    """Write an answer with one line per person."""
    return "\n".join(map(literal_text, values.items()))


def write_line(values: Mapping[str, str]) -> str:
    """Write an answer in one line."""
    return ", ".join(map(literal_text, values.items()))


def write_question(
    people: Sequence[str], things: Sequence[str], rules: Sequence[Clause], rng: random.Random
) -> str:
    """Write the question in one of three wordings."""
    names = f"{', '.join(people[:-1])} and {people[-1]}"
    choice = " or ".join(things)
    lines = list(map(rule_text, rules))
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    bullets = "\n- ".join(lines)
    wordings = (
        f"Serve {choice} to {names}, one each, so that every rule holds:\n{numbered}",
        f"Choose {choice} for {names} so that all of these rules hold:\n- {bullets}",
        f"Please pick {choice} for {names}. These are the rules: {'; '.join(lines)}.",
    )
    return rng.choice(wordings)
