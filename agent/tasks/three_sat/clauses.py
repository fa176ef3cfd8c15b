"""Parse rules such as "Ann takes tea or Bob takes milk" from a question."""

import re

ClauseLiteral = tuple[str, str]
"""A person and what they take."""
Clause = tuple[ClauseLiteral, ...]
"""A rule: at least one of its literals must hold."""

_NAME = r"[^\W\d_](?:[^\W_]|['’-]){0,48}"
_LITERAL = re.compile(rf"(?P<person>{_NAME}) takes (?P<thing>{_NAME}(?: {_NAME})?)")
_LEAD = re.compile(r"^[-*• ]*+(?:\(?[0-9]{1,4}[.)]? )?(?:[Ee]ither )?")
_END = re.compile(r"[\n;.?!]")
_EVERYBODY = re.compile(
    rf"\b(?:Everyone|Everybody|Each|Each person) takes (?:either )?{_NAME} or {_NAME}\b"
)
_SOMEBODY_TAKES = re.compile(r"(?<!\w)[^\W\d_a-z](?:[^\W_]|['’-]){0,48} takes\b")
_PEOPLE = re.compile(
    r"\b(?:to|for) (?P<people>{0}(?:(?:, and |, | and ){0})*)".format(r"[^\W\d_a-z][\w'’-]*+")
)
_AND = re.compile(r", and |, | and ")
_REQUEST = re.compile(
    r"\b(?:rules?|serve|choose|pick|assign|decide|find|hold|satisf\w+)\b", re.IGNORECASE
)


def read_rules(question: str) -> tuple[list[str], list[Clause]]:
    """Parse the people and the rules of a question.

    Rules may be numbered or not, one per line or run together. The people named in the request come first.

    Returns two empty lists if the question asks for something else.
    """
    if " takes " not in question:
        return [], []
    rules: list[Clause] = []
    request_parts = []
    for sentence in _END.split(_normalize(question)):
        lead_in, _, clause = sentence.rpartition(":")
        rule = _parse_rule(clause)
        if rule is None:
            request_parts.append(sentence)
        else:
            rules.append(rule)
            request_parts.append(lead_in)
    request = "\n".join(request_parts)
    if not _is_request(request):
        return [], []
    people: list[str] = []
    for group in _PEOPLE.finditer(request):
        people += _AND.split(group["people"])
    for rule in rules:
        people += [person for person, _ in rule]
    return list(dict.fromkeys(people)), rules


def _normalize(question: str) -> str:
    """Collapse white space, join rules that span lines, and drop "Everyone takes tea or milk"."""
    lines = [" ".join(line.split()) for line in question.splitlines() if line.strip()]
    text = "\n".join(lines)
    text = text.replace("\nor ", " or ").replace(" or\n", " or ")
    return _EVERYBODY.sub("", text)


def _is_request(text: str) -> bool:
    """Check that the text without rules is a request or empty."""
    if _SOMEBODY_TAKES.search(text):
        return False
    has_words = re.search(r"[^\W\d_]", text)
    return not has_words or _REQUEST.search(text) is not None


def literal_text(literal: ClauseLiteral) -> str:
    """Write a literal as "Ann takes tea"."""
    person, thing = literal
    return f"{person} takes {thing}"


def rule_text(rule: Clause) -> str:
    """Write a rule as "Ann takes tea or Bob takes milk"."""
    return " or ".join(map(literal_text, rule))


def _parse_rule(text: str) -> Clause | None:
    text = _LEAD.sub("", text.strip())
    literals = []
    for part in text.split(" or "):
        match = _LITERAL.fullmatch(part.strip(" ,*"))
        if match is None or not match["person"][0].isupper():
            return None
        literals.append((match["person"], match["thing"].lower()))
    return tuple(literals)
