"""Review an answer beside the critic, in a terminal: python examples/human_review.py [JSONL FILE]."""

import sys

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from rich.console import Console
from rich.prompt import Prompt

from selfcritic.agent.state import ReviewInput
from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.human_review import append_review, create_human_review

ACTIONS = {"keep": [], "remove": [], "edit": ["text"], "add": ["quote", "text"]}
console = Console(markup=False, highlight=False)  # what a model wrote is data


def ask() -> dict[str, object]:
    """What is typed, as the graph takes it; the graph itself says what is wrong with it."""
    word, _, rest = Prompt.ask("\nkeep N, remove N, edit N, add, search X, accept or refine").partition(" ")
    if word in ACTIONS:
        action = {"type": word} | ({} if word == "add" else {"id": rest})
        return {"actions": [action | {name: Prompt.ask(f"  {name}") for name in ACTIONS[word]}]}
    return {"next": "search_again", "length_modifier": rest} if word == "search" else {"next": word}


graph = create_human_review(model="simulated?seed=3").compile(checkpointer=InMemorySaver(serde=serializer()))
thread = RunnableConfig(configurable={"thread_id": "terminal"})
output = graph.invoke(ReviewInput(question="Sort alphabetically: pear, plum, fig", answer="pear, plum, plum"), thread)
while waiting := output.get("__interrupt__"):
    console.print(waiting[0].value["answer"], waiting[0].value["error"] or "", sep="\n")
    for label in waiting[0].value["comments"]:
        comment = label["after"] or label["before"]
        console.print(f"{label['id']} {label['action']}: »{comment['quote']}« {comment['text']}")
    output = graph.invoke(Command(resume=ask()), thread)
console.print("The answer is now:", output["answer"])
if len(sys.argv) > 1:
    append_review(sys.argv[1], output)
