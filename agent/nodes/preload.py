"""Load prompts, models and checkers in a thread, and check scorers, before nodes need them."""

import asyncio
from contextlib import suppress
from typing import get_args

from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.sampling.cache import open_cache
from selfcritic.agent.scoring.registry import check_scorers, scorer_name, scorer_weights

_Key = tuple[str, str | None, str | None, frozenset[str], frozenset[str], frozenset[str]]
_preloaded: set[_Key] = set()
"""Keys already loaded: starting a thread costs more time than most nodes."""


async def preload(context: Context) -> None:
    """Load what a context names, once; raises InputError like `load_files`.

    Loading reads files, and a node must not block the event loop.
    """
    key = _key(context)
    if key not in _preloaded:
        await asyncio.to_thread(load_files, context)
        _preloaded.add(key)


def load_files(context: Context) -> None:
    """Load a context's prompts, cache, checkers and models, and check its scorers.

    Raises:
        InputError: A file, folder or address of a prompt, the cache or a scorer cannot be used.
    """
    context.load_prompts()
    open_cache(context.cache)
    get_checkers(context.checkers)
    check_scorers(context)
    for role in get_args(Role):
        # The node that calls the model raises it again; there may be a draft to return.
        with suppress(SelfcriticError):
            context.models_for(role)


def _key(context: Context) -> _Key:
    models = frozenset(spec for spec in context.configured_models if isinstance(spec, str))
    checkers = frozenset(checker for checker in context.checkers if isinstance(checker, str))
    scorers = frozenset(map(scorer_name, scorer_weights(context)))
    cache = context.cache if isinstance(context.cache, str) else None
    return context.prompts, context.prompt_dir, cache, models, checkers, scorers
