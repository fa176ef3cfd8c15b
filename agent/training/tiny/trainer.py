"""The training loop: stages by share of the token budget, a checkpoint every half minute, resumed where it stands.

It runs on a GPU where torch has one, else on one core. Drafts are drawn by ctranslate2 on the core in either case.

Copying comes first, as a sharp transition whose time differs from seed to seed, then comments followed in answers of no
sense: each goes on until it is learnt. Then every part on slips in tasks that grow, and at last the model's own drafts
and critiques, with slips between them.
"""

import itertools
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import ANSWERS, END, PAD, REPLY, Tokenizer
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig, export
from selfcritic.agent.training.tiny.examples import (
    SIZES,
    Example,
    copying,
    draw_task,
    mending,
    slip_documents,
    words_of,
)
from selfcritic.agent.training.tiny.packing import Batch, PrefixTree, batches
from selfcritic.agent.training.tiny.self_play import self_play_examples

_LONGEST = 2000  # tokens of a tree
_WARM_UPS = {"copying": (0.3, 0.2), "mending": (0.3, 0.4)}
"""The warm-ups: each ends below a mean loss, or at a share of the budget where it is not learnt by then."""
_RECENT = 100  # steps whose mean loss tells whether a warm-up is learnt
_GROWN, _SLIPS = 0.6, 0.65
"""Shares of the budget at which tasks have grown to their full size, and own drafts come in."""


@dataclass(frozen=True)
class TrainConfig:
    """What is trained; the same plan in the same folder goes on where it stands."""

    family: str
    size: str = "medium"
    tokens: int = 18_000_000
    seed: int = 0
    rate: float = 2e-3
    batch: int = 1024
    """Tokens a step, padding included."""
    own_tasks: int = 200
    """Fresh tasks that the model drafts for one round."""


def train(plan: TrainConfig, folder: Path, minutes: float | None = None, tell: Callable[[str], None] = print) -> Path:
    """Train until the plan's tokens, or the minutes, are spent; the folder of the exported model."""
    torch.set_num_threads(1)
    run = Trainer(plan, folder)
    run.resume()
    start = saved = time.monotonic()
    seen_at_start, losses = run.seen, []
    while run.seen < plan.tokens and (minutes is None or time.monotonic() - start < 60 * minutes):
        losses.append(run.step())
        if time.monotonic() - saved > 30:
            saved = time.monotonic()
            run.save()
            rate = (run.seen - seen_at_start) / (saved - start)
            tell(f"{run.seen} tokens, stage {run.stage}, loss {sum(losses) / len(losses):.3f}, {rate:.0f} tokens/s")
            losses = []
    run.save()
    run.export("int8")
    return run.export()


class Trainer:
    """A run of training: the decoder, its optimiser and the documents to come."""

    def __init__(self, plan: TrainConfig, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.seen = self.steps = 0
        self.learnt: dict[str, int] = {}
        """Tokens seen at the end of each warm-up so far."""
        self.recent: deque[float] = deque(maxlen=_RECENT)
        torch.manual_seed(plan.seed)
        self.tokens = _vocabulary(plan.family)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.decoder = Decoder(ModelConfig.named(plan.size, len(self.tokens.names))).to(self.device)
        self.is_word = torch.zeros(self.decoder.shape.vocabulary, dtype=torch.bool)
        self.is_word[[self.tokens.ids[word] for [word] in self.tokens.unsaid(frozenset())]] = True
        self.optimisers = _optimisers(self.decoder, plan.rate)
        self.batches = self._batches()

    @property
    def stage(self) -> str:
        """What is learnt from now."""
        still = [warm_up for warm_up in _WARM_UPS if warm_up not in self.learnt]
        if still:
            return still[0]
        return "slips" if self.seen < _SLIPS * self.plan.tokens else "own drafts"

    def _end_warm_up(self) -> None:
        """Go on to the next stage once this one is learnt, or has had its share."""
        stage = self.stage
        if stage not in _WARM_UPS:
            return
        below, share = _WARM_UPS[stage]
        is_learnt = len(self.recent) == _RECENT and sum(self.recent) / _RECENT < below
        if is_learnt or self.seen > share * self.plan.tokens:
            self.learnt[stage] = self.seen
            self.recent.clear()

    def step(self) -> float:
        """One step of the optimiser; the mean loss of a reply's token."""
        batch = next(self.batches).to(self.device)
        hidden = self.decoder(batch.ids, batch.depths, batch.sees).flatten(0, 1)[batch.places]
        logits = self.decoder.logits(hidden).masked_fill(batch.unsaid, -math.inf)
        losses = functional.cross_entropy(logits, batch.targets, reduction="none")
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._rate()
            optimiser.step()
            optimiser.zero_grad()
        self.steps += 1
        found = float(loss.detach())
        self.recent.append(found)
        self._end_warm_up()
        return found

    def _rate(self) -> float:
        """Up over 200 steps, and down to a fiftieth over all tokens: batches are small, so it is the end that tells."""
        left = 1 - self.seen / self.plan.tokens
        return self.plan.rate * min((self.steps + 1) / 200, 1.0) * max(left, 0.02)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {"decoder": self.decoder.state_dict(), "optimisers": [one.state_dict() for one in self.optimisers]}
        self.folder.mkdir(parents=True, exist_ok=True)
        counts = {"seen": self.seen, "steps": self.steps, "learnt": self.learnt}
        torch.save({**state, **counts}, self.folder / "checkpoint.new")
        (self.folder / "plan.json").write_text(json.dumps(asdict(self.plan)), "utf-8")
        (self.folder / "checkpoint.new").replace(self.folder / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint where there is one; another plan's is an error."""
        if not (self.folder / "checkpoint.pt").is_file():
            return
        if (told := json.loads((self.folder / "plan.json").read_text("utf-8"))) != asdict(self.plan):
            raise InputError(f"'{self.folder}' holds the training of another plan ({told}): name another folder.")
        state = torch.load(self.folder / "checkpoint.pt", map_location=self.device, weights_only=True)
        if "learnt" not in state:
            raise InputError(f"'{self.folder}' holds the checkpoint of an earlier version: name another folder.")
        self.decoder.load_state_dict(state["decoder"])
        for optimiser, told in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(told)
        self.seen, self.steps, self.learnt = state["seen"], state["steps"], state["learnt"]

    def export(self, quantization: str | None = None) -> Path:
        """Write the model that `tiny` loads."""
        target = self.folder / (quantization or "float32")
        export(self.decoder, self.tokens, [self.plan.family], target, quantization)
        return target

    def _groups(self) -> Iterator[list[Example]]:
        """The documents of one task after another, by a seed of each start's own: a resumed run sees fresh ones."""
        rng = random.Random(f"training {self.plan.seed} {self.seen}")
        while self.stage == "copying":
            yield copying(self.plan.family, rng)
        while self.stage == "mending":
            yield mending(draw_task(self.plan.family, rng, 9), rng)
        while self.stage == "slips":
            yield slip_documents(draw_task(self.plan.family, rng, self._largest()), rng)
        while True:
            yield from self_play_examples(Engine(self.export()), self.plan.family, rng, self.plan.own_tasks)
            for _ in range(self.plan.own_tasks):
                yield slip_documents(draw_task(self.plan.family, rng), rng, judged=False)

    def _largest(self) -> int:
        """The largest size of task by now."""
        sizes, start = SIZES[self.plan.family], self.learnt["mending"]
        grown: float = min((self.seen - start) / (_GROWN * self.plan.tokens - start), 1.0)
        return round(sizes[0] + 2 + grown * (sizes[-1] - sizes[0] - 2))

    def _batches(self) -> Iterator[Batch]:
        groups = self._groups()
        while True:
            trees = [PrefixTree.of(map(self._example, documents)) for documents in itertools.islice(groups, 200)]
            kept = [tree for tree in trees if len(tree.ids) <= _LONGEST]
            found = list(batches(kept, self.plan.batch, self.tokens.ids[PAD], self.is_word))
            random.Random(self.seen).shuffle(found)
            for batch in found:
                self.seen += batch.ids.numel()
                yield batch

    def _example(self, document: Example) -> tuple[list[int], int, float]:
        prompt, reply = self.tokens.encode(document.prompt), self.tokens.encode(document.reply)
        unsaid = {word for [word] in self.tokens.unsaid(self.tokens.words_in(prompt))}
        if strange := unsaid.intersection(reply):
            raise ValueError(f"the reply {document.reply!r} has words that its prompt has not: {sorted(strange)}")
        said = [*prompt, REPLY, *reply, END]
        return [self.tokens.ids[token] for token in said], len(prompt) + 1, document.weight


def _optimisers(decoder: Decoder, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    inner = {name: one for name, one in decoder.blocks.named_parameters() if one.dim() == 2}
    rest = [one for name, one in decoder.named_parameters() if name.removeprefix("blocks.") not in inner]
    return [
        torch.optim.Muon(inner.values(), rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _vocabulary(family: str) -> Tokenizer:
    """The family's words, and the phrases that stand in 30 documents of 400 tasks at least; the same on every run."""
    rng = random.Random("vocabulary")
    documents = [document for _ in range(400) for document in slip_documents(draw_task(family, rng), rng)]
    texts = (text for document in documents for text in (document.prompt, document.reply))
    return Tokenizer.train(texts, (*words_of(family), *ANSWERS), at_least=30)
