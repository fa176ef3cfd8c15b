"""Prompts of your own: a file in your folder takes the place of the set's file of that name, and only of that one.

    python examples/own_prompts.py

`examples/bank_prompts/generate.md` holds the drafter's; its first line declares the variables, its last is the cue.
"""

from pathlib import Path

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique

FOLDER = Path(__file__).parent / "bank_prompts"

model = ScriptedModel(  # stands for any model, and keeps what it was asked
    script={
        "generate": ["Your rate is 4.5%."],
        "classify": [0.9, 0.1],
        "critique": ["```\n4.5%\n```\nThe rate is 5.4%."] * 8,
        "helpfulness": [0.8],
        "refine": ["Your rate is 5.4%."],
    }
)
graph = create_self_critique(model=model, prompt_dir=str(FOLDER)).compile()

if __name__ == "__main__":
    out = graph.invoke({"question": "Tell the customer her rate.", "context": "Rate: 5.4%"})
    for request in model.requests:
        print("the model was asked:", request[-1].text.partition("Your part: ")[2].split(".")[0])
    print("the answer:", out["answer"])
