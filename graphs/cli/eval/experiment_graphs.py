"""Compile the graphs that experiments run."""

from selfcritic.agent.evals.experiments import Graphs
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.graphs.best_of_n import create_best_of_n
from selfcritic.graphs.review import create_review
from selfcritic.graphs.self_critique import create_self_critique


def compile_graphs() -> Graphs:
    """Compile all graphs, without a checkpointer: finished samples are saved by the runner."""
    given_answer = {"generate": start_from_messages}
    return Graphs(
        draft=create_best_of_n().compile(name="draft"),
        judge=create_best_of_n(nodes=given_answer).compile(name="judge"),
        review=create_review().compile(name="review"),
        loop=create_self_critique().compile(name="self_critique"),
        refine=create_self_critique(nodes=given_answer).compile(name="refine"),
    )
