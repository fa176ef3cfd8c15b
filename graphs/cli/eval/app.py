"""`selfcritic eval`: measure critics, and compare and check the measurements (extra `eval`)."""

from selfcritic.graphs.cli.command import App
from selfcritic.graphs.cli.eval.assistance import assistance
from selfcritic.graphs.cli.eval.compare import compare
from selfcritic.graphs.cli.eval.judge_check import judge_check
from selfcritic.graphs.cli.eval.report import report
from selfcritic.graphs.cli.eval.run import run
from selfcritic.graphs.cli.eval.view import view

eval_app = App(help="Measure critics, on any model and data.", no_args_is_help=True)
eval_app.command()(run)
eval_app.command()(report)
eval_app.command()(compare)
eval_app.command()(judge_check)
eval_app.command()(assistance)
eval_app.command()(view)
