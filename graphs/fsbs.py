"""Force Sampling Beam Search, CriticGPT's search for a critique (McAleese et al. 2024, appendix 7.1).

    force → score → keep → force → … → score → choose

1. force: the opening fence of a quote is put behind each critique kept (at first the empty one), so that the model
   must quote the answer, and n continuations are sampled to their end.
2. score: each critique gets its reward.
3. keep: the k with the highest reward, by reward alone, go on; a closing paragraph without a quote is cut off.
4. After d iterations, choose: over all critiques of all iterations, the highest reward + length_modifier × highlights.

With n = 4, k = 2, d = 4 that ranks n (k (d - 1) + 1) = 28 critiques.

Where the paper is silent, and what was chosen:
- k over what: over the critiques of the latest iteration together, not beam by beam and not those kept before;
- temperature: the model's own, or `temperatures` of the critic;
- the values of length_modifier: not published; 0 by default, and `calibrate` finds one as the paper says it was set;
- equal rewards: the critique drawn first;
- fewer than k critiques that can go on: those; none at all: the search ends early.

Where this differs from the paper, by choice or need:
- the reward is P(helpful) unless `scorer` names another, such as a reward model;
- a highlight counts where its quote stands in the answer, and equal comments count once; a critique of whose quotes
  none stands there is neither kept nor chosen;
- a reply that broke off within a quote is continued from before that quote;
- a model that cannot continue a reply begun for it is asked in words for the next quote; `methods["critic"].prefix`
  says which it was;
- equal critiques are scored once;
- in the loop of self_critique.py the critique chosen must be over `helpful_threshold`, too; here that is 0 by default.
"""

from collections.abc import Mapping
from typing import Any

from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.nodes.review import check_answer, load_answer
from selfcritic.agent.nodes.search import expand_beams, num_iterations, prune_beams, score
from selfcritic.agent.nodes.select import select
from selfcritic.agent.state import State
from selfcritic.graphs.runtime import Node, add_nodes, on_the_spot, resolve_context


def create_fsbs(*, nodes: Mapping[str, Node] | None = None, **options: Any) -> StateGraph[State, Context, State, State]:
    """The search's graph; keywords are the fields of `Context`. As a subgraph it works on the draft of the graph above.

    Alone it takes `question`, `answer` and perhaps `context`; the critiques are in `rounds[0]`, one of them selected.
    `nodes` are functions that take the place of its own, by name.
    """
    defaults = Context(**{"helpful_threshold": 0.0, **options, "search": "fsbs"})
    builder = StateGraph(State, context_schema=Context, input_schema=State, output_schema=State)
    add_nodes(
        builder,
        defaults,
        nodes,
        load_answer=load_answer,
        check_answer=check_answer,
        expand_beams=expand_beams,
        score=score,
        prune_beams=prune_beams,
        select=select,
    )

    def opening(state: State) -> str:
        return "expand_beams" if state.get("rounds") else "load_answer"

    def after_examine(state: State) -> str:
        return "expand_beams" if state["stop_reason"] is None else END

    def after_score(state: State) -> str:
        context = resolve_context(defaults)
        is_over = num_iterations(state["rounds"][-1].critiques) >= context.fsbs.d
        return "select" if is_over or state.get("search_stop_reason") else "prune_beams"

    def after_keep(state: State) -> str:
        return "expand_beams" if state["beam_prefixes"] else "select"

    builder.add_conditional_edges(START, on_the_spot(opening), ["load_answer", "expand_beams"])
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges("check_answer", on_the_spot(after_examine), ["expand_beams", END])
    builder.add_edge("expand_beams", "score")
    builder.add_conditional_edges("score", on_the_spot(after_score), ["prune_beams", "select"])
    builder.add_conditional_edges("prune_beams", on_the_spot(after_keep), ["expand_beams", "select"])
    builder.add_edge("select", END)
    return builder


graph = create_fsbs().compile(name="fsbs")
