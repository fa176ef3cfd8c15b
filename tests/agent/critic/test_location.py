"""Locate quotes in other spellings and languages."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.critic.facts import has_same_facts
from selfcritic.agent.critic.folding import fold
from selfcritic.agent.critic.location import locate


@pytest.mark.parametrize(
    ("quote", "answer"),
    [
        ("人口约三百万，面积约一百平方公里", "人口约二百万，面积约一百平方公里"),
        ("该公司于二〇一三年成立，总部设在上海", "该公司于二〇一二年成立，总部设在上海"),
        ("该书第三章讨论了法国的历史和文化", "该书第二章讨论了法国的历史和文化"),
        ("法国的首都是里昂，位于莱茵河上", "法国的首都不是里昂，位于莱茵河上"),
        ("The population is three million people", "The population is nine million people"),
        ("Die Stadt hat dreihundert Einwohner", "Die Stadt hat zweihundert Einwohner"),
        ("The cake is not baked for an hour", "The cake is baked for an hour"),
        ("You don't need a key for this request", "You do need a key for this request"),
        ("Der Satz ist nicht richtig gewesen", "Der Satz ist richtig gewesen"),
        ("Es gibt keinen Grund für diese Annahme", "Es gibt einen Grund für diese Annahme"),
        ("Le train ne part pas de cette gare", "Le train part de cette gare"),
        ("This input is invalid for the field", "This input is valid for the field"),
        ("if (count == 0 and total)", "if (count != 0 and total)"),
        ("while low <= high and item", "while low < high and item"),
    ],
)
def test_does_not_locate_other_facts(quote: str, answer: str) -> None:
    assert locate(quote, answer) is None
    assert locate(answer, quote) is None


@pytest.mark.parametrize(
    ("quote", "answer", "cut"),
    [
        ("首都是里昂.", "法国的首都是里昂。它位于莱茵河上。", "首都是里昂。"),
        ("(约200万)", "人口（约200万）。", "（约200万）"),
        ("会议共12人参加。", "会议共１２人参加。", "会议共１２人参加。"),
        ("“里昂”", "法国的首都是里昂。", "里昂"),
        ("「里昂」", "法国的首都是里昂。", "里昂"),
        ("法国的 首都 是 里昂", "法国的首都是里昂。", "法国的首都是里昂"),
        ("使用 Python 编写", "它使用Python编写。", "使用Python编写"),
        ("Zu\u0308rich", "in Zürich", "Zürich"),
        ("Zürich", "in Zu\u0308rich!", "Zu\u0308rich"),
        ("الرقم ٣", "هذا الرقم 3 صحيح", "الرقم 3"),
        ("العَرَبِيَّة", "اللغة العربية", "العربية"),
        ("العربية", "اللغة العَرَبِيَّة", "العَرَبِيَّة"),
        ('"Sydney."', "It is Sydney", "Sydney"),
        ("**return total**", "return total", "return total"),
        ("5:     return total", "def f():\n    return total\n", "return total"),
        ("1 | a = 1\n2 | b = 2", "a = 1\nb = 2", "a = 1\nb = 2"),
        ("low = middle  # <-- never advances", "x\nlow = middle\ny", "low = middle"),
        ("The fox ... lazy dog.", "The fox jumps over the lazy dog.", "The fox jumps over the lazy dog."),
        ("The fox […] over … dog", "The fox jumps over the lazy dog.", "The fox jumps over the lazy dog"),
        ("…jumps over…", "The fox jumps over the lazy dog.", "jumps over"),
        ("法国……里昂", "法国的首都是里昂。", "法国的首都是里昂"),
        ("a ... b", "x a ... b y", "a ... b"),
    ],
)  # fmt: skip
def test_locates_other_spellings(quote: str, answer: str, cut: str) -> None:
    span = locate(quote, answer, allow_fuzzy=False)
    assert span is not None
    assert span.cut(answer) == cut


@pytest.mark.parametrize(
    ("quote", "answer"),
    [
        ("lazy dog ... The fox", "The fox jumps over the lazy dog."),
        ("The fox ... the cat", "The fox jumps over the lazy dog."),
        ("T ... d", "The dog"),
        ("...", "The dog"),
        ("10 cm2 of it", "10 cm² of it"),
        ("it is 12", "it is ½"),
    ],
)
def test_does_not_fold_other_meanings(quote: str, answer: str) -> None:
    assert locate(quote, answer, allow_fuzzy=False) is None


def test_no_word_is_cut_apart_between_chinese_characters() -> None:
    span = locate("里昂", "首都是里昂市。城市：里昂，马赛。")
    assert span is not None
    assert span.start == 3


def test_typos_are_no_other_facts() -> None:
    assert has_same_facts("the quikc brwn fox has 3 legs", "the quick brown fox has 3 legs")
    assert locate("法国的首都是里昂，位于菜茵河畔", "法国的首都是里昂，位于莱茵河畔") is not None


TEXTS = st.text() | st.text("aé里昂，。 ３3٣\u0308\u064eﬁ½²“”…\n", max_size=20)


@given(TEXTS)
def test_folding_keeps_the_offset_of_each_character(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(0 <= s < e <= len(text) for s, e in zip(folded.starts, folded.ends, strict=True))


@given(TEXTS)
def test_composition_does_not_change_the_folded_text(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert fold(unicodedata.normalize("NFD", composed)).text == fold(composed).text


@given(TEXTS, TEXTS, TEXTS)
def test_locates_each_part_of_an_answer(before: str, quote: str, after: str) -> None:
    span = locate(quote, before + quote + after)
    assert (span is None) == (not quote.strip())
