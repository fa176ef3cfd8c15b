"""Public API: graph factories, streaming, batches, and selection among critiques."""

from selfcritic.agent.critic.selection import calibrate, rerank
from selfcritic.graphs.batch.run import run_batch
from selfcritic.graphs.best_of_n import create_best_of_n
from selfcritic.graphs.events import Event
from selfcritic.graphs.fsbs import create_fsbs
from selfcritic.graphs.human_review import create_human_review
from selfcritic.graphs.review import create_review
from selfcritic.graphs.self_critique import SelfCritiqueGraph, create_self_critique
from selfcritic.graphs.streaming import stream_answer
from selfcritic.graphs.threads import discard_question

__all__ = [
    "Event",
    "SelfCritiqueGraph",
    "calibrate",
    "create_best_of_n",
    "create_fsbs",
    "create_human_review",
    "create_review",
    "create_self_critique",
    "discard_question",
    "rerank",
    "run_batch",
    "stream_answer",
]
