"""Compare the numbers, negations and operators of two similar texts.

A fuzzy match forgives typos, but a quote with another number or without a "not" is another claim. The word lists have
more words than needed: an extra word only makes a fuzzy match stricter.
"""

import re

_DIGITS = re.compile(r"(?:(?<!\w)-)?[\d¹²³⁰-₉½⅓⅔¼¾]+")
_OPERATORS = re.compile(r"[!=<>]=*|≤|≥|≠|&&|\|\||∧|∨|¬")
_CJK_FACTS = re.compile(
    "[〇零一二两兩三四五六七八九十百千万萬亿億兆壹贰叁肆伍陆柒捌玖拾佰仟半幾几"
    "不没沒无無未非勿否莫]|ない|なかった|なく|ません"
)
_WORDS = re.compile(r"\w+(?:['’]t\b)?")
_WORD_LIST = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million
    millions billion billions trillion dozen half quarter double triple once twice first second third fourth fifth
    sixth seventh eighth ninth tenth
    no not never none nor neither cannot without nobody nothing nowhere hardly true false
    nicht kein keine keinen keinem keiner keines nie niemals ohne weder noch nichts niemand halb hälfte
    million millionen milliarde milliarden erste ersten zweite zweiten dritte dritten
    ne pas jamais aucun aucune sans ni non rien deux trois quatre cinq sept huit neuf dix onze douze treize quatorze
    quinze seize vingt trente quarante cinquante soixante cent cents mille milliard milliards premier première
    nunca jamás sin ningún ninguna ninguno nada dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce
    quince veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento mil millón millones primero
    لا ليس ليست لم لن غير بدون واحد اثنان اثنين ثلاثة ثلاث أربعة أربع خمسة خمس ستة ست سبعة سبع ثمانية ثماني تسعة تسع
    عشرة عشر عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون مئة مائة ألف آلاف مليون ملايين مليار
    не нет ни без никогда два две три четыре пять шесть семь восемь девять десять сто тысяча тысяч миллион миллионов
"""
_FACT_WORDS = frozenset(_WORD_LIST.split())
_GERMAN_NUMBER = re.compile(
    "(?:ein|eins|zwei|drei|vier|fünf|sechs|sech|sieben|sieb|acht|neun|zehn|elf|zwölf|und|zwan|zig|ßig|hundert|tausend)+"
)
_MAX_GERMAN_NUMBER = 60  # characters
_NEGATIVE_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis")


def has_same_facts(text: str, other: str) -> bool:
    """Whether two similar texts have the same numbers, negations and operators, in order."""
    text = text.casefold()
    other = other.casefold()
    if _facts(text) != _facts(other):
        return False
    return not _differ_by_negative_prefix(text, other)


def numbers(text: str) -> list[str]:
    """Return the numbers of a text that are written in digits."""
    return _DIGITS.findall(text)


def _facts(text: str) -> list[str]:
    facts = numbers(text) + _OPERATORS.findall(text) + _CJK_FACTS.findall(text)
    for word in _WORDS.findall(text):
        if _is_fact(word):
            facts.append(word)
    return facts


def _is_fact(word: str) -> bool:
    if word in _FACT_WORDS or word.endswith(("n't", "n’t")):
        return True
    if word in ("ein", "und") or len(word) > _MAX_GERMAN_NUMBER:
        return False
    return _GERMAN_NUMBER.fullmatch(word) is not None


def _differ_by_negative_prefix(text: str, other: str) -> bool:
    """Whether one text has "invalid" where the other has "valid"."""
    words = set(_WORDS.findall(text))
    other_words = set(_WORDS.findall(other))
    for first, second in (
        (words - other_words, other_words - words),
        (other_words - words, words - other_words),
    ):
        for word in first:
            if any(prefix + word in second for prefix in _NEGATIVE_PREFIXES):
                return True
    return False
