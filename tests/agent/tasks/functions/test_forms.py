"""Test that each form parses the sentences that it draws."""

import random

from selfcritic.agent.tasks.functions.forms import FORMS, Clause


def parse_sentence(sentence: str) -> Clause | None:
    """Return the clause of the first form that matches."""
    for form in FORMS:
        clause = form.parse(sentence)
        if clause is not None:
            return clause
    return None


def test_each_form_parses_the_sentences_it_draws():
    rng = random.Random(1)
    for form in FORMS:
        assert form.parse(form.example) is not None
        for _ in range(5):
            sentence = form.draw(rng)
            clause = parse_sentence(sentence)
            assert clause is not None, sentence
            assert clause == form.parse(sentence), sentence
