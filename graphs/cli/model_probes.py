"""Questions with known answers that `selfcritic models check` asks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """Questions, drafts and critiques for one kind of model."""

    question: str
    right: str
    """A right answer to the question."""
    wrong: str
    right_critique: str
    """A right critique of the wrong answer."""
    wrong_critique: str
    """A wrong critique of the right answer."""
    open_question: str
    """A question with many answers."""
    long_question: str
    """A question whose answer is longer than the limit."""
    length_limit: int
    """Tokens."""
    prefix: str | None = None
    """Start of a reply to continue; None for a model that only continues critiques."""
    prefix_question: str = ""
    next_word: str = ""
    """First word of the continuation."""


FREE_PROBE = Probe(
    question="Which planet is closest to the Sun?",
    right="Mercury is the planet closest to the Sun.",
    wrong="Venus is the planet closest to the Sun.",
    right_critique="```\nVenus\n```\n[high] Mercury is closest to the Sun, not Venus.",
    wrong_critique="```\nMercury\n```\n[high] Venus is closest to the Sun, not Mercury.",
    open_question="Write one sentence about the sea.",
    long_question="Write a story of 200 words about a fox.",
    length_limit=16,
    prefix="one, two, three, four,",
    prefix_question="Count from one to ten in words, separated by commas.",
    next_word="five",
)
"""For language models."""

TASK_PROBE = Probe(
    question="Sort these words alphabetically: plum, apricot, mango, walnut, cherry, olive",
    right="apricot, cherry, mango, olive, plum, walnut",
    wrong="plum, apricot, cherry, mango, olive, walnut",
    right_critique='```\nplum\n```\n"plum" is out of order: it belongs right after "olive".',
    wrong_critique='```\nmango\n```\n"mango" is out of order: it belongs right after "plum".',
    open_question="Sort these words alphabetically: tiger, orchid, bottle, camera, hazel, anchor",
    long_question="Sort these words alphabetically: tiger, orchid, bottle, camera, hazel, anchor",
    length_limit=3,
)
"""For models that solve only the built-in tasks."""
