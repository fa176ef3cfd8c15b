"""`selfcritic eval`: measure critics, and compare and check the measurements (extra `eval`)."""

import typer

from selfcritic.graphs.cli.eval.compare import compare
from selfcritic.graphs.cli.eval.judge_check import judge_check
from selfcritic.graphs.cli.eval.report import report

eval_app = typer.Typer(help="Measure critics, on any model and data.", no_args_is_help=True)
# `eval run` is registered here.
eval_app.command()(report)
eval_app.command()(compare)
eval_app.command()(judge_check)
# `eval view` is registered here.
