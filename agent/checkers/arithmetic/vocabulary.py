"""Words and patterns that change the meaning of an equation."""
# ruff: noqa: SIM905 - word lists are easier to read as text

import re

NUMBER_WORDS = frozenset(
    """
    half halves third thirds fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth
    tenths quarter quarters twice double triple dozen dozens hundred hundreds pair pairs score squared cubed plus minus
    times divided multiplied over less remainder left-over square cube root power product sum difference quotient
    factorial average mean median ratio negative not am pm o'clock ones tens thousands tenths hundredths thousandths
    one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety
    """.split()
)
"""They modify the number next to them: "half of 20 + 4" is not 24."""

LEAD_IN_WORDS = frozenset(
    """
    is are was were be becomes has have had having get gets got getting make makes making equal equals cost costs give
    gives giving total totals so then thus therefore spends earns needs receives leaves leaving
    """.split()
)
"""They end a clause: a number before them does not belong to the expression that follows."""

CONJUNCTIONS = frozenset("and or but so while then where".split())
"""They separate two equations in one sentence."""

COINS = frozenset("cent penny pennie nickel dime quarter".split())

UNITS = frozenset(
    """
    second minute hour day week month year decade cent penny pennie nickel dime dollar inch inche foot feet yard mile mm
    cm km meter metre centimeter centimetre millimeter millimetre kilometer kilometre gram kilogram kg mg lb pound ounce
    oz ton tonne cup pint quart gallon liter litre milliliter millilitre ml teaspoon tablespoon hr min ft degree radian
    """.split()
)
"""Units that convert into each other, in the singular because the tokenizer drops a final s."""

UNIT_PATTERN = re.compile(rf"¢|\b(?:{'|'.join(sorted(UNITS))})s?\b", re.IGNORECASE)

TWO_LETTER_WORDS = frozenset(
    "is so of he to we in at on by or be it if as us my no do up an cm mm km kg mg ml ft lb oz hr pm am".split()
)
"""Two-letter words; any other two letters are two variables."""

FUNCTION_NAMES = frozenset(
    """
    sin cos tan cot sec csc arcsin arccos arctan log ln exp min max gcd lcm mod modulo det dim deg lim sum floor ceil
    round abs pow pi
    """.split()
)

NONSTANDARD_ARITHMETIC = re.compile(
    r"""\b(?:mod(?:ulo|ular|ulus)?|in\ base|binary|hexadecimal|octal|boolean|xor|bitwise|o['’]clock)\b
      | \\[pb]?mod\b | ≡ | \\equiv\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Marks a text that may use modular arithmetic, another base, logic or clock times."""

NEGATION = re.compile(
    r"""\b(?:false|untrue|incorrect\w*|wrong\w*|contradict\w*|impossible|mistak\w+|errors?|instead\ of|claim\w*
        |supposed\w*|no\ solutions?)\b
      | (?:\bnot|\bcannot|n['’]t)\s+(?:be\s+)?(?:true|equal|possible|hold|correct|valid|right|the\ case|satisf|work)
      | ≠ | \\neq?\b | ✗ | ❌""",
    re.IGNORECASE | re.VERBOSE,
)
"""Marks an equation that the text may itself call false."""

HYPOTHETICAL = re.compile(
    r"""(?:\b(?:not|never|if|whether|suppose|assum\w+|when|than|without|says?|said|wrote|writes|instead)|n['’]t)
        \W*(?:\w+\W+)?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""Text directly before an equation that the author does not assert."""

ROUNDING = re.compile(
    r"\b(?:round\w*|approx\w*|nearest|about|roughly|estimat\w+|almost|nearly)\b|≈|\\approx\b",
    re.IGNORECASE,
)
WHOLE_NUMBERS = re.compile(
    r"\b(?:whole|integer|full|complete\w*|remainder|left ?over|at least|at most|floor|ceil\w*)\b|\\[lr](?:ceil|floor)",
    re.IGNORECASE,
)
"""Marks a text about whole things, where a quotient may be rounded to an integer."""
