"""Score critiques with a trained reward model; critiques of an answer share its prompt's tokens."""

from collections.abc import Sequence
from pathlib import Path
from statistics import pstdev
from typing import TypeVar

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.agent.models.tiny.tokenizer import END, PAD, REPLY
from selfcritic.agent.schemas import Critique
from selfcritic.agent.training.tiny.examples import render_prompt
from selfcritic.agent.training.tiny.fast_tokenizer import read_tiny_tokenizer
from selfcritic.agent.training.tiny.llama import to_decoder
from selfcritic.agent.training.tiny.packing import Batch
from selfcritic.agent.training.tiny.trees import EncodedExample, PrefixTree

CritiqueType = TypeVar("CritiqueType", bound=Critique)


class RewardScorer:
    """A reward model in a folder that `train_reward` wrote, as a decoder of this project."""

    def __init__(self, folder: Path) -> None:
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
        self._factor = 1.0
        self._head = model.score.weight.detach()[0]
        self._decoder = to_decoder(model).eval()
        fast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._tokenizer, _ = read_tiny_tokenizer(fast)

    def score(self, record: AnswerRecord, critiques: Sequence[CritiqueType]) -> list[CritiqueType]:
        """Return the critiques with their rewards."""
        texts = sorted({critique_text(critique) for critique in critiques})
        rewards = dict(zip(texts, self.rewards(record, texts), strict=True))
        scored = []
        for critique in critiques:
            reward = rewards[critique_text(critique)]
            scored.append(critique.model_copy(update={"reward": reward}))
        return scored

    def rewards(self, record: AnswerRecord, texts: Sequence[str]) -> list[float]:
        """Score the texts of critiques at the last token of their prompts, which is `<reply>`."""
        encoded = []
        for text in dict.fromkeys(texts):
            ids = self._encode(record, text)
            encoded.append((EncodedExample([*ids, self._tokenizer.ids[END]], len(ids), 1.0), text))
        encoded.sort(key=lambda pair: list(pair[0].ids))  # the order of a tree's targets
        tree = PrefixTree.from_examples([example for example, _ in encoded])
        is_word = torch.zeros(self._decoder.config.vocab_size, dtype=torch.bool)
        batch = Batch.from_trees([tree], self._tokenizer.ids[PAD], is_word)
        with torch.inference_mode():
            hidden = self._decoder(batch.ids, batch.positions, batch.attention_mask)
            scores = hidden[0, batch.target_index] @ self._head
        values = (scores * self._factor).tolist()
        by_text = {text: value for (_, text), value in zip(encoded, values, strict=True)}
        return [by_text[text] for text in texts]

    def match_scale(self, records: Sequence[AnswerRecord], ratings: Sequence[Rating]) -> None:
        """Multiply scores so that they vary as much as the oracle's overall scores, from 0 to 1.

        Otherwise the penalty for the KL divergence would weigh less for one reward than for another.

        Args:
            records: Answers with critiques.
            ratings: Ratings of these critiques.
        """
        truths = []
        for rating in ratings:
            if rating.form is not None and rating.form.overall is not None:
                truths.append((rating.form.overall - 1) / 6)
        scores: list[float] = []
        for record in records:
            scores += self.rewards(record, [critique_text(item) for item in record.critiques])
        self._factor *= pstdev(truths) / pstdev(scores)

    def _encode(self, record: AnswerRecord, text: str) -> list[int]:
        prompt = render_prompt("helpfulness", record.question, answer=record.answer, critique=text)
        tokens = [*self._tokenizer.encode(prompt), REPLY]
        return [self._tokenizer.ids[token] for token in tokens]
