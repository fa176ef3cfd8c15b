"""Rewards of a critic policy: a reward model's score, grounded quotes, and the oracle's truth."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.training.processes import count_processes
from selfcritic.agent.training.rating import rate_truth
from selfcritic.agent.training.sampling import to_sample
from selfcritic.agent.training.settings import import_trainer

ScoreFunction = Callable[[AnswerRecord, Sequence[str]], Sequence[float]]
"""Scores the texts of critiques of one record."""
PROXY, TRUTH = "proxy", "truth"
HIGHLIGHTS, UNGROUNDED = "highlights", "ungrounded"
_NO_COMMENT_PENALTY = 1.0
"""A critique without a located comment scores this much less than the worst other one of its batch."""


class PolicyRewards:
    """The reward functions of GRPO. Each takes prompts, completions and the columns of the rows."""

    def __init__(self, records: Sequence[AnswerRecord], score: ScoreFunction) -> None:
        self._records = {record.id: record for record in records}
        self._score = score
        self._completions: Sequence[Any] | None = None
        self._critiques: list[CritiqueSample] = []

    def functions(self) -> list[Callable[..., Sequence[float | None]]]:
        """Return the functions; TRL logs each under its name."""
        return [self.proxy, self.grounded, self.truth]

    def proxy(self, completions: Sequence[Any], record: Sequence[str], **_: Any) -> list[float]:
        """Score the located comments of each critique, as the loop does."""
        critiques = self._read(completions, record)
        texts: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for index, critique in enumerate(critiques):
            if critique.comments:
                texts[record[index]].append((index, critique_text(critique)))
        scores: dict[int, float] = {}
        for record_id, rows in texts.items():
            values = self._score(self._records[record_id], [text for _, text in rows])
            scores.update(zip([index for index, _ in rows], map(float, values), strict=True))
        without_comment = find_lowest(list(scores.values())) - _NO_COMMENT_PENALTY
        return [scores.get(index, without_comment) for index in range(len(critiques))]

    def grounded(
        self,
        completions: Sequence[Any],
        record: Sequence[str],
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float]:
        """Return the share of quotes that are in the answer; 0 without quotes. Logs counts."""
        critiques = self._read(completions, record)
        shares = [grounded_share(critique) for critique in critiques]
        if log_metric is not None:
            highlights = sum(len(critique.comments) for critique in critiques)
            log_metric(HIGHLIGHTS, highlights / len(critiques))
            log_metric(UNGROUNDED, 1 - sum(shares) / len(shares))
        return shares

    def truth(
        self, completions: Sequence[Any], record: Sequence[str], **_: Any
    ) -> list[float | None]:
        """Rate each critique with its record's oracle, from 0 to 1."""
        critiques = self._read(completions, record)
        return rate_truth([self._records[record_id] for record_id in record], critiques)

    def _read(self, completions: Sequence[Any], ids: Sequence[str]) -> list[CritiqueSample]:
        """Parse a batch once: TRL passes the same list to each function."""
        if completions is self._completions:
            return self._critiques
        critiques = []
        for number, (completion, name) in enumerate(zip(completions, ids, strict=True)):
            text = read_text(completion)
            critiques.append(to_sample(str(number), "policy", text, self._records[name].answer))
        self._completions = completions
        self._critiques = critiques
        return critiques


def find_lowest(scores: list[float]) -> float:
    """Return the lowest score of a batch, 0 without any; every process must call this with its part."""
    if count_processes() > 1:
        scores = import_trainer("accelerate.utils").gather_object(scores)
    return min(scores, default=0.0)


def grounded_share(critique: CritiqueSample) -> float:
    """Return the share of a critique's quotes that are in the answer; 0 without quotes."""
    total = len(critique.comments) + len(critique.ungrounded)
    return len(critique.comments) / total if total else 0.0


def read_text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a completion, which is a text or a list of messages."""
    if isinstance(completion, str):
        return completion
    return "".join(str(message.get("content") or "") for message in completion)
