"""Check the arguments of all commands: no address in place of a path, no password in a message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import typer
from typer.core import TyperCommand

from selfcritic.agent.addresses import PATH_REMEDY, is_address, is_misplaced_address
from selfcritic.agent.redaction import address_secrets, redact, remember_secrets

_UsageError = cast(Any, typer.BadParameter.__base__)  # typer does not export it
_PATH_METAVARS = {"DIR", "FILE", "PATH", "PATH…", "DATA", "[DATA]"}
"""Placeholders, in the help, of options that take a path as text."""
_TEXT_METAVARS = {"QUESTION", "TEXT"}
"""Placeholders of free text, which may contain addresses that are no credentials of this process."""


class Command(TyperCommand):
    """A command that takes no address as a path; its usage errors show no credentials."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and remember the credentials that messages may quote."""
        arguments = list(args)  # the parser empties `args`
        try:
            rest = super().parse_args(ctx, args)
            self._check_paths(ctx)
        except _UsageError as error:
            for argument in arguments:
                _remember_secrets(_option_value(argument))
            error.message = redact(error.message)
            raise
        texts = self._read_texts(ctx)
        for argument in arguments:
            value = _option_value(argument)
            if argument not in texts and value not in texts:
                _remember_secrets(value)
        return rest

    def _read_texts(self, ctx: Any) -> list[str]:
        """Return the values of arguments and options that take free text."""
        texts: list[str] = []
        for parameter in cast("list[Any]", self.params):
            value = ctx.params.get(parameter.name)
            if parameter.metavar not in _TEXT_METAVARS:
                continue
            if isinstance(value, str):
                texts.append(value)
            elif isinstance(value, list | tuple):
                texts.extend(value)
        return texts

    def _check_paths(self, ctx: Any) -> None:
        """Raise a usage error if an option for a path has an address."""
        for parameter in cast("list[Any]", self.params):
            value = ctx.params.get(parameter.name)
            values = value if isinstance(value, list | tuple) else [value]
            for item in values:
                is_path = isinstance(item, Path) or parameter.metavar in _PATH_METAVARS
                if is_path and item is not None and is_misplaced_address(str(item)):
                    raise typer.BadParameter(f"it {PATH_REMEDY}", ctx=ctx, param=parameter)


def _option_value(argument: str) -> str:
    """Return the value of `--option=value`; other arguments unchanged."""
    if argument.startswith("--"):
        return argument.partition("=")[2]
    return argument


def _remember_secrets(address: str) -> None:
    """Redact the password of an address in all later messages."""
    if not is_address(address):
        return
    if "://" not in address:
        address = f"//{address}"
    remember_secrets(address_secrets(address))


class App(typer.Typer):
    """A `Typer` whose commands check their arguments."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a function as a `Command`."""
        return super().command(name, cls=Command, **options)
