"""Review an answer with the critic: python examples/human_review.py [LABELS.jsonl]."""

import sys

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from rich.console import Console
from rich.prompt import Prompt

from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.human_review import append_review, create_human_review

FIELDS = {"keep": "id", "remove": "id", "edit": "id text", "add": "quote text"}
FIELDS |= {"search_again": "length_modifier", "accept": "", "refine": ""}
console = Console(markup=False, highlight=False)  # model output is data, not markup


def ask_decision() -> dict[str, object]:
    """Return what the person typed; the graph validates it."""
    try:
        command = Prompt.ask(f"\n{', '.join(FIELDS)}", choices=list(FIELDS), show_choices=False)
        fields = {name: Prompt.ask(f"  {name}") for name in FIELDS[command].split()}
    except EOFError:  # Ctrl-D
        sys.exit("\nThe review ended without a decision.")
    if command in ("keep", "remove", "edit", "add"):
        return {"actions": [{"type": command, **fields}]}
    return {"next": command, **fields}


graph = create_human_review(model="simulated?seed=3").compile(
    checkpointer=InMemorySaver(serde=serializer())
)
config = RunnableConfig(configurable={"thread_id": "terminal"})
output = graph.invoke(
    {"question": "Sort alphabetically: pear, plum, fig", "answer": "pear, plum, plum"}, config
)
while interrupts := output.get("__interrupt__"):
    review = interrupts[0].value
    console.print(review["answer"], review["error"] or "", sep="\n")
    for label in review["comments"]:
        comment = label["after"] or label["before"]
        console.print(f"{label['id']} {label['action']}: »{comment['quote']}« {comment['text']}")
    output = graph.invoke(Command(resume=ask_decision()), config)
console.print("Final answer:", output["answer"])
if len(sys.argv) > 1:
    append_review(sys.argv[1], output)
