"""Rules such as "Ann takes tea or Bob takes milk" in a question: numbered or not, a line each or run together."""

import re

ClauseLiteral = tuple[str, str]
"""A person and what they take."""
Clause = tuple[ClauseLiteral, ...]
"""Servings one of which at least should be."""

_NAME = r"[^\W\d_](?:[^\W_]|['’-]){0,48}"
_SERVING = re.compile(rf"(?P<person>{_NAME}) takes (?P<thing>{_NAME}(?: {_NAME})?)")
_LEAD = re.compile(r"^[-*• ]*+(?:\(?[0-9]{1,4}[.)]? )?(?:[Ee]ither )?")
_END = re.compile(r"[\n;.?!]")
_EVERYBODY = re.compile(rf"\b(?:Everyone|Everybody|Each|Each person) takes (?:either )?{_NAME} or {_NAME}\b")
_SOMEBODY_TAKES = re.compile(r"(?<!\w)[^\W\d_a-z](?:[^\W_]|['’-]){0,48} takes\b")
_PEOPLE = re.compile(r"\b(?:to|for) (?P<people>{0}(?:(?:, and |, | and ){0})*)".format(r"[^\W\d_a-z][\w'’-]*+"))
_AND = re.compile(r", and |, | and ")
_ASKS = re.compile(r"\b(?:rules?|serve|choose|pick|assign|decide|find|hold|satisf\w+)\b", re.IGNORECASE)


def read_rules(question: str) -> tuple[list[str], list[Clause]]:
    """Read the people, those in the request first, and the rules; none where the text asks something else."""
    if " takes " not in question:
        return [], []
    text = "\n".join(" ".join(line.split()) for line in question.splitlines() if line.strip())
    text = _EVERYBODY.sub("", text.replace("\nor ", " or ").replace(" or\n", " or "))
    rules, rest = [], []
    for sentence in _END.split(text):
        request, _, clause = sentence.rpartition(":")
        rule = _read_rule(clause)
        rules += [rule] if rule else []
        rest.append(request if rule else sentence)
    request = "\n".join(rest)
    if _SOMEBODY_TAKES.search(request) or (re.search(r"[^\W\d_]", request) and not _ASKS.search(request)):
        return [], []
    people = [name for group in _PEOPLE.finditer(request) for name in _AND.split(group["people"])]
    return list(dict.fromkeys([*people, *(person for rule in rules for person, _ in rule)])), rules


def takes(serving: ClauseLiteral) -> str:
    """Put a serving in words."""
    return f"{serving[0]} takes {serving[1]}"


def _read_rule(clause: str) -> Clause | None:
    servings = [_SERVING.fullmatch(part.strip(" ,*")) for part in _LEAD.sub("", clause.strip()).split(" or ")]
    rule = tuple((serving["person"], serving["thing"].lower()) for serving in servings if serving)
    return rule if len(rule) == len(servings) and all(person[0].isupper() for person, _ in rule) else None
