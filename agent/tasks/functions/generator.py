"""Draw random functions specifications."""

import random

from selfcritic.agent.tasks.functions.forms import (
    CHANGES,
    EMPTY,
    FILTERS,
    HEADER,
    RETURNS,
    SCOPES,
    Form,
)

_PARTS = ["scope", "filter", "filter", "change", "end", "empty"]
_STEP_FORMS = {"filter": FILTERS, "change": CHANGES}


def draw_specification(rng: random.Random, size: int) -> str:
    """Draw the text of a specification.

    `size` counts its parts beyond the header and the bare "Return …": sentences, and an ending such as "plus 2". A seed
    gives the same text only if the order of the draws does not change.
    """
    while True:
        parts = rng.sample(_PARTS, size)
        result = rng.choice(_return_forms(with_ending="end" in parts))
        if result.code["initial"] != "None" or "empty" in parts:
            break

    steps = []
    for part in parts:
        if part in _STEP_FORMS:
            form = rng.choice(_STEP_FORMS[part])
            steps.append(form.draw(rng))
    scope = []
    if "scope" in parts:
        form = rng.choice(SCOPES)
        scope.append(form.draw(rng))
    returns = [result.draw(rng)]
    if "empty" in parts:
        form = rng.choice(EMPTY)
        returns.append(form.draw(rng))
    rng.shuffle(returns)
    sentences = [HEADER, *scope, *steps, *returns]
    return " ".join(f"{sentence}." for sentence in sentences)


def _return_forms(*, with_ending: bool) -> list[Form]:
    forms = []
    for form in RETURNS:
        has_ending = form.code["result"] != "out"
        if has_ending == with_ending:
            forms.append(form)
    return forms
