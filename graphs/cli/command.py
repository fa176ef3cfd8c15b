"""Check the arguments of all commands: no address in place of a path, no password in a message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import typer
from typer.core import TyperCommand

from selfcritic.agent.addresses import is_address
from selfcritic.agent.redaction import address_secrets, redact, remember_secrets

_UsageError = cast(Any, typer.BadParameter.__base__)  # typer does not export it
_PATH_METAVARS = {"DIR", "FILE", "PATH", "PATH…", "DATA", "[DATA]"}
"""Placeholders, in the help, of options that take a path as text."""


class Command(TyperCommand):
    """A command that takes no address as a path; its usage errors show no credentials."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and remember the credentials that messages may quote."""
        for argument in args:
            _remember_secrets(argument)
        try:
            rest = super().parse_args(ctx, args)
            self._check_paths(ctx)
        except _UsageError as error:
            error.message = redact(error.message)
            raise
        return rest

    def _check_paths(self, ctx: Any) -> None:
        """Raise a usage error if an option for a path has an address."""
        for parameter in cast("list[Any]", self.params):
            value = ctx.params.get(parameter.name)
            values = value if isinstance(value, list | tuple) else [value]
            for item in values:
                is_path = isinstance(item, Path) or parameter.metavar in _PATH_METAVARS
                if is_path and item is not None and is_address(str(item)):
                    message = "it takes a path, not an address. Pass a file or folder."
                    raise typer.BadParameter(message, ctx=ctx, param=parameter)


def _remember_secrets(argument: str) -> None:
    """Redact the password of an address in all later messages."""
    address = argument.partition("=")[2] if argument.startswith("--") else argument
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
