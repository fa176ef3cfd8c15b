from langgraph.runtime import Runtime

from selfcritic.agent import Context, Round, Usage
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import RoleUsage
from selfcritic.agent.step import Step


def test_update_adds_to_earlier_usage():
    earlier = Usage(calls=3, by_role={"critic": RoleUsage(calls=3)})
    step = Step(
        {"question": "q", "usage": earlier, "answer": "a", "rounds": [Round(answer="a")]},
        Runtime(context=Context(model=ScriptedModel(script=[]))),
    )
    update = step.update(stop="budget")
    assert update["usage"].model_copy(update={"seconds": 0.0}) == earlier
    assert update["stop_reason"] == "budget"
    assert update["messages"][0].text == "a"
