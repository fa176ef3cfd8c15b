"""A model for each role: a careless writer, a sharp-eyed critic, a judge and a refiner of their own.

python examples/models_per_role.py

Any model that `load` knows may stand here, such as "openai/gpt-5-mini"; and any LangChain chat model.
"""

from selfcritic.agent import load
from selfcritic.graphs import create_self_critique

graph = create_self_critique(
    generator="simulated?slip=1",  # always puts a flaw into its draft
    critic=load("simulated", miss=0, invent=0),  # finds every flaw, and none that is not there
    judge="simulated?miss=0&invent=0&misjudge=0",
    refiner="simulated?botch=0",
    fallbacks={"critic": ["simulated"]},  # asked where the critic is down
    temperatures={"judge": 0.0},
    seed=1,
).compile()


def main() -> None:
    """Run, and show who was asked how often."""
    out = graph.invoke({"question": "Put in alphabetical order: kiwi, fig, lime, apple, pear"})
    print(" → ".join(repr(draft.answer) for draft in out["rounds"]))
    for part, spent in out["usage"].by_role.items():
        print(f"  {part:9}  {spent.calls:2} calls")
    print("graded by itself" if out["self_graded"] else "not graded by itself")


if __name__ == "__main__":
    main()
