"""Load prompts, models and checkers before a node needs them, in a thread."""

import asyncio
from contextlib import suppress
from typing import get_args

from selfcritic import prompts
from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import SelfcriticError

_Key = tuple[str, str | None, frozenset[str], frozenset[str]]
_preloaded: set[_Key] = set()
"""What is loaded already: starting a thread each time would cost more than most nodes do."""


async def preload(context: Context) -> None:
    """Load what a context names. It reads files, and a node must not block the event loop."""
    key = _key(context)
    if key not in _preloaded:
        await asyncio.to_thread(_load, context)
        _preloaded.add(key)


def _key(context: Context) -> _Key:
    specs = [spec for role in get_args(Role) for spec in context.specs_for(role)]
    models = frozenset(spec for spec in specs if isinstance(spec, str))
    checkers = frozenset(checker for checker in context.checkers if isinstance(checker, str))
    return context.prompts, context.prompt_dir, models, checkers


def _load(context: Context) -> None:
    prompts.load(context.prompts, context.prompt_dir)
    get_checkers(context.checkers)
    for role in get_args(Role):
        with suppress(
            SelfcriticError
        ):  # raised again by the node that calls the model; there may be a draft to return
            context.models_for(role)
