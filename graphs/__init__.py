"""Public API: graph factories, `stream_answer`, `run_batch`, `calibrate` and `rerank`."""

from selfcritic.agent.critic.selection import calibrate, rerank
from selfcritic.graphs.batch.run import run_batch
from selfcritic.graphs.best_of_n import create_best_of_n
from selfcritic.graphs.fsbs import create_fsbs
from selfcritic.graphs.human_review import create_human_review
from selfcritic.graphs.review import create_review
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.graphs.streaming import stream_answer

__all__ = [
    "calibrate",
    "create_best_of_n",
    "create_fsbs",
    "create_human_review",
    "create_review",
    "create_self_critique",
    "rerank",
    "run_batch",
    "stream_answer",
]
