"""Replace one prompt of the set with your own.

    python examples/own_prompts.py

`bank_prompts/generate.md` replaces the drafting prompt. Its first line declares the variables; its last line is the
cue for the reply.
"""

from pathlib import Path

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique

PROMPT_DIR = Path(__file__).parent / "bank_prompts"

model = ScriptedModel(  # replaces a real model and records the requests
    script={
        "generate": ["Your rate is 4.5%."],
        "classify": [0.9, 0.1],
        "critique": ["```\n4.5%\n```\nThe rate is 5.4%."] * 8,
        "helpfulness": [0.8],
        "refine": ["Your rate is 5.4%."],
    }
)
graph = create_self_critique(model=model, prompt_dir=str(PROMPT_DIR)).compile()

if __name__ == "__main__":
    output = graph.invoke({"question": "Write the customer her rate.", "context": "Rate: 5.4%"})
    for request in model.requests:
        instruction = request[-1].text.rpartition("```\n\n")[2]
        print("end of the prompt:", instruction.splitlines()[0])
    print("answer:", output["answer"])
