"""Force Sampling Beam Search, CriticGPT's search for a critique (McAleese et al. 2024, appendix 7.1).

    expand_beams → score → prune_beams → expand_beams → … → score → select

1. expand_beams: append the opening fence of a quote to each kept critique (initially an empty one), so that the model
   must quote the answer. Sample n complete continuations.
2. score: compute the reward of each critique.
3. prune_beams: keep the k critiques with the highest reward; drop their closing paragraphs without a quote.
4. After d iterations, select among the critiques of all iterations: the highest reward + length_modifier × highlights.

With n = 4, k = 2 and d = 4, this ranks n (k (d - 1) + 1) = 28 critiques.

The paper leaves open:
- which critiques compete for the k beams: here those of the latest iteration, across all beams;
- the temperature: the model's default, or the critic's in `temperatures`;
- the values of length_modifier: 0 by default; `calibrate` sets it as the paper describes;
- equal rewards: the critique sampled first wins;
- fewer than k eligible critiques: all of them are kept; without any, the search ends early.

Differences from the paper:
- the reward is P(helpful), unless `scorer` sets another, such as a reward model;
- a highlight counts only if its quote is in the answer, and equal comments count once; a critique whose quotes are all
  ungrounded is neither kept nor selected;
- a reply that is cut off inside a quote is continued from before that quote;
- a model without prefill is prompted for the next quote; `capabilities["critic"].prefill` shows if this happened;
- equal critiques are scored once;
- in the self-critique loop, the selected critique must also exceed `helpful_threshold`, which is 0 here by default.
"""

from collections.abc import Mapping
from typing import Any, Unpack, cast

from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import END, START, StateGraph

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import count_ungrounded
from selfcritic.agent.nodes.review import check_answer, load_answer
from selfcritic.agent.nodes.search import expand_beams, num_iterations, prune_beams, score
from selfcritic.agent.nodes.select import select
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.state import SavedState, State, parse_state
from selfcritic.graphs.inline import InlineRoute
from selfcritic.graphs.runtime import Node, add_nodes, resolve_context, unless_stopped


def create_fsbs(
    *, nodes: Mapping[str, Node] | None = None, **options: Unpack[Options]
) -> StateGraph[State, Context, SavedState, SavedState]:
    """Create the FSBS graph, standalone or as a subgraph.

    As a subgraph, it reviews the parent graph's latest draft. Standalone, it takes `question`, `answer` and optionally
    `context`, and returns the critiques in `rounds[0]`, one of them selected.

    Args:
        nodes: Functions that replace the graph's nodes, by name.
        options: Fields of `Context`, as defaults; each run's `context` overrides them.
    """
    defaults = to_context({"helpful_threshold": 0.0, **options, "search": "fsbs"})
    builder = StateGraph(
        State, context_schema=Context, input_schema=SavedState, output_schema=SavedState
    )
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

    _add_edges(builder, defaults)
    return builder


def create_search_node(**options: Unpack[Options]) -> Runnable[State, State]:
    """Create the FSBS graph as a node, whose update has only the round that was searched."""
    search = create_fsbs(**options).compile()
    return RunnableLambda(_shorten_earlier_rounds) | search | RunnableLambda(_latest_update)


def _shorten_earlier_rounds(state: State) -> State:
    """Keep of earlier rounds what `select` counts; each search saves the rounds that it gets."""
    rounds = parse_state(state)["rounds"]
    shortened = []
    for index, earlier in enumerate(rounds[:-1]):
        count = count_ungrounded(earlier.critiques)
        shortened.append(Round(answer="", index=index, critiques=[Critique(text="")] * count))
    return cast(State, {**state, "rounds": [*shortened, rounds[-1]]})


def _latest_update(state: State) -> State:
    """Keep only the last item of lists that the parent graph has; checkpoints save each update."""
    update = dict(state)
    for key in ("rounds", "messages"):
        if key in update:
            update[key] = cast(list[Any], update[key])[-1:]
    return cast(State, update)


def _add_edges(
    builder: StateGraph[State, Context, SavedState, SavedState], defaults: Context
) -> None:
    def start(state: State) -> str:
        return "expand_beams" if state.get("rounds") else "load_answer"

    def after_score(state: State) -> str:
        context = resolve_context(defaults)
        is_last = num_iterations(state["rounds"][-1].critiques) >= context.fsbs.d
        if is_last or state.get("search_stop_reason"):
            return "select"
        return "prune_beams"

    def after_prune_beams(state: State) -> str:
        return "expand_beams" if state["beam_prefixes"] else "select"

    builder.add_conditional_edges(START, InlineRoute(start), ["load_answer", "expand_beams"])
    builder.add_edge("load_answer", "check_answer")
    builder.add_conditional_edges(
        "check_answer", unless_stopped("expand_beams"), ["expand_beams", END]
    )
    builder.add_edge("expand_beams", "score")
    builder.add_conditional_edges("score", InlineRoute(after_score), ["prune_beams", "select"])
    builder.add_conditional_edges(
        "prune_beams", InlineRoute(after_prune_beams), ["expand_beams", "select"]
    )
    builder.add_edge("select", END)


graph = create_fsbs().compile(name="fsbs")
