"""The rate of critiques in the styles of current models that are read correctly."""

import pytest

from examples.benchmarks import critique_styles as styles

CRITIQUES = styles.load_critiques()


def test_data_set_has_many_styles_languages_and_kinds():
    assert len(CRITIQUES) >= 110
    assert len({critique.style for critique in CRITIQUES}) >= 7
    assert {critique.language for critique in CRITIQUES} >= {
        "en",
        "zh",
        "de",
        "fr",
        "es",
        "ar",
        "ja",
    }
    assert {critique.kind for critique in CRITIQUES} == {"prose", "code", "math"}
    assert len({critique.id for critique in CRITIQUES}) == len(CRITIQUES)
    for critique in CRITIQUES:
        assert all(expected.quote in critique.answer for expected in critique.expected)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_reads_nearly_all_critiques_and_pairs_none_wrongly(split):
    critiques = [critique for critique in CRITIQUES if critique.split == split]
    results = styles.evaluate(styles.read_all, critiques)
    incomplete = [result.critique.id for result in results if not result.is_complete]
    assert styles.parse_rate(results) >= 0.95, incomplete
    assert sum(result.num_wrong_pairings for result in results) == 0


def test_the_format_asked_for_is_not_enough():
    results = styles.evaluate(styles.read_strict, CRITIQUES)
    assert styles.parse_rate(results) < 0.5


def test_a_text_of_another_comment_is_a_wrong_pairing():
    critique = next(critique for critique in CRITIQUES if len(critique.expected) == 2)
    first, second = styles.read_all(critique)
    swapped = [first.model_copy(update={"text": second.text}), second]
    result = styles.Result(critique=critique, comments=swapped)
    assert (result.is_complete, result.num_wrong_pairings) == (False, 1)
