"""Option groups become one option per field."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner

from selfcritic.agent.schemas import Budget
from selfcritic.graphs.cli.options import BudgetOptions, expand_groups


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="Columns.")]
    height: Annotated[int, typer.Option(help="Rows.")] = 2


def make_app() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @expand_groups
    def draw(
        name: Annotated[str, typer.Argument()],
        size: Size,
        scale: Annotated[int, typer.Option()] = 1,
    ) -> None:
        """Draw a box."""
        typer.echo(f"{name} {size} {scale}")

    return app


def test_the_command_receives_the_group():
    result = CliRunner().invoke(make_app(), ["box", "--width", "7", "--scale", "3"])
    assert result.output == "box Size(width=7, height=2) 3\n"


def test_a_field_without_a_default_is_required():
    result = CliRunner().invoke(make_app(), ["box"])
    assert result.exit_code == 2
    assert "--width" in result.output


def test_help_lists_the_fields():
    output = CliRunner().invoke(make_app(), ["--help"]).output
    assert "Draw a box." in output
    for text in ("--width", "Columns.", "--height", "Rows.", "--scale"):
        assert text in output
    assert "--size" not in output


def test_budget_options_convert_to_a_budget():
    options = BudgetOptions(max_calls=3, max_tokens=4, max_cost=0.5, max_seconds=6.0)
    assert options.to_budget() == Budget(calls=3, tokens=4, cost_usd=0.5, seconds=6.0)
    assert BudgetOptions().to_budget() == Budget()
    with pytest.raises(ValidationError):
        BudgetOptions(max_seconds=-1.0).to_budget()
