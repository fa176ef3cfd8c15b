"""`selfcritic train`: train critics and the tiny model (extra `train`)."""

from selfcritic.graphs.cli.command import App
from selfcritic.graphs.cli.train.chain import train_all
from selfcritic.graphs.cli.train.policy import policy
from selfcritic.graphs.cli.train.reward import reward
from selfcritic.graphs.cli.train.sample import sample
from selfcritic.graphs.cli.train.sft import sft
from selfcritic.graphs.cli.train.tiny import tiny

train_app = App(help="Train critics, and the tiny model.", no_args_is_help=True)
train_app.command("all")(train_all)
train_app.command()(sft)
train_app.command()(sample)
train_app.command()(reward)
train_app.command()(policy)
train_app.command()(tiny)
