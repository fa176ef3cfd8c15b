"""Ask a live critic for comments, and select again among those it has written."""

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import rerank
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import ModelError
from selfcritic.agent.schemas import Critique
from selfcritic.agent.state import ReviewInput
from selfcritic.graphs.review import create_review


class LiveCritic:
    """Reviews answers on request; later requests for the same answer select again without new calls."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._graph = create_review().compile(name="review")
        self._pools: dict[str, list[Critique]] = {}

    async def search(self, record: AnswerRecord, length_modifier: float) -> Critique:
        """Return the critique with the highest score plus modifier times comments.

        Raises:
            ModelError: The critic wrote no usable critique.
        """
        if record.id not in self._pools:
            inputs: ReviewInput = {
                "question": record.question,
                "answer": record.answer,
                "context": record.context,
            }
            output = await self._graph.ainvoke(inputs, context=self._context)
            pool = output["rounds"][0].critiques
            if output.get("error") and not pool:
                raise ModelError(f"The critic failed: {output['error']}")
            self._pools[record.id] = pool
        pool = self._pools[record.id]
        index = rerank(pool, length_modifier)
        if index is None:
            del self._pools[record.id]
            raise ModelError("The critic wrote no comment that quotes the answer. Ask it again.")
        return pool[index]
