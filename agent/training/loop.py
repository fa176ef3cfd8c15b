"""The training loop: stages by share of the token budget, a checkpoint every minute, resumed where it stands.

Copying first, then every part on slips with tasks that grow, then slips mixed with the model's own drafts.
"""

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.engine import Engine
from selfcritic.agent.models.tokens import END, PAD, REPLY, Tokens
from selfcritic.agent.training.decoder import Decoder, Shape, export
from selfcritic.agent.training.documents import SIZES, Document, copying, slip_documents, words_of
from selfcritic.agent.training.own import own_documents

_LONGEST = 480  # tokens of a document
_COPYING, _GROWING, _SLIPS = 0.03, 0.25, 0.5
"""Shares of the budget at which copying ends, tasks have grown to their full size, and own drafts come in."""

Example = tuple[list[int], int]
"""Ids, and where the reply begins in them."""


@dataclass(frozen=True)
class Plan:
    """What is trained; the same plan in the same folder goes on where it stands."""

    family: str
    size: str = "medium"
    tokens: int = 40_000_000
    seed: int = 0
    rate: float = 2e-3
    batch: int = 4096
    """Tokens a step, padding included."""
    own_tasks: int = 200
    """Fresh tasks that the model drafts for one round."""


def train(plan: Plan, folder: Path, minutes: float | None = None, tell: Callable[[str], None] = print) -> Path:
    """Train until the plan's tokens, or the minutes, are spent; the folder of the exported model."""
    torch.set_num_threads(1)
    run = Run(plan, folder)
    run.resume()
    start = saved = time.monotonic()
    seen_at_start, losses = run.seen, []
    while run.seen < plan.tokens and (minutes is None or time.monotonic() - start < 60 * minutes):
        losses.append(run.step())
        if time.monotonic() - saved > 60:
            saved = time.monotonic()
            run.save()
            rate = (run.seen - seen_at_start) / (saved - start)
            tell(f"{run.seen} tokens, stage {run.stage}, loss {sum(losses) / len(losses):.3f}, {rate:.0f} tokens/s")
            losses = []
    run.save()
    return run.export()


class Run:
    """A run of training: the decoder, its optimiser and the documents to come."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.seen = self.steps = 0
        torch.manual_seed(plan.seed)
        self.tokens = _vocabulary(plan.family)
        self.decoder = Decoder(Shape.named(plan.size, len(self.tokens.names)))
        self.optimiser = torch.optim.AdamW(self.decoder.parameters(), plan.rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.batches = self._batches()

    @property
    def stage(self) -> str:
        """What is learnt from now."""
        share = self.seen / self.plan.tokens
        return "copying" if share < _COPYING else "slips" if share < _SLIPS else "own drafts"

    def step(self) -> float:
        """One step of the optimiser; the mean loss of a reply's token."""
        ids, wanted, targets = next(self.batches)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        loss = functional.cross_entropy(self.decoder(ids, wanted), targets)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        return float(loss.detach())

    def _rate(self) -> float:
        """Up over 200 steps, level, and down to a twentieth over the last 30% of the tokens."""
        left = 1 - self.seen / self.plan.tokens
        return self.plan.rate * min((self.steps + 1) / 200, 1.0) * max(min(left / 0.3, 1.0), 0.05)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {"decoder": self.decoder.state_dict(), "optimiser": self.optimiser.state_dict()}
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save({**state, "seen": self.seen, "steps": self.steps}, self.folder / "checkpoint.new")
        (self.folder / "plan.json").write_text(json.dumps(asdict(self.plan)), "utf-8")
        (self.folder / "checkpoint.new").replace(self.folder / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint where there is one; another plan's is an error."""
        if not (self.folder / "checkpoint.pt").is_file():
            return
        if (told := json.loads((self.folder / "plan.json").read_text("utf-8"))) != asdict(self.plan):
            raise InputError(f"'{self.folder}' holds the training of another plan ({told}): name another folder.")
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.decoder.load_state_dict(state["decoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.seen, self.steps = state["seen"], state["steps"]

    def export(self, quantization: str | None = None) -> Path:
        """Write the model that `embedded` loads."""
        target = self.folder / (quantization or "float32")
        export(self.decoder, self.tokens, [self.plan.family], target, quantization)
        return target

    def _documents(self) -> Iterator[Document]:
        """The documents of the stage; a seed of its own for each start, so that a resumed run sees fresh ones."""
        rng = random.Random(f"training {self.plan.seed} {self.seen}")
        sizes = SIZES[self.plan.family]
        while self.stage == "copying":
            yield copying(self.plan.family, rng)
        while True:
            grown = min(self.seen / self.plan.tokens / _GROWING, 1.0)
            largest = round(sizes[0] + grown * (sizes[-1] - sizes[0]))
            yield from itertools.islice(slip_documents(self.plan.family, rng, largest), 1000)
            if self.stage == "own drafts":
                yield from own_documents(Engine(self.export()), self.plan.family, rng, self.plan.own_tasks)

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Batches of documents of like length: (batch, length) ids, a mask of wanted places, and what follows them."""
        documents = None
        while True:
            documents = documents or self._documents()
            found = [self._example(document) for document in itertools.islice(documents, 1000)]
            kept = sorted((one for one in found if len(one[0]) <= _LONGEST), key=lambda one: len(one[0]))
            batches = list(_cut(kept, self.plan.batch))
            random.Random(self.seen).shuffle(batches)
            for batch in batches:
                self.seen += sum(len(ids) for ids, _ in batch)
                yield _tensors(batch, self.tokens.ids[PAD])

    def _example(self, document: Document) -> Example:
        prompt = self.tokens.encode(document.prompt)
        said = [*prompt, REPLY, *self.tokens.encode(document.reply), END]
        return [self.tokens.ids[token] for token in said], len(prompt) + 1


def _cut(examples: list[Example], most: int) -> Iterator[list[Example]]:
    batch: list[Example] = []
    for example in examples:
        if batch and (len(batch) + 1) * len(example[0]) > most:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def _tensors(batch: list[Example], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids, _ in batch])
    places = torch.arange(longest - 1)
    starts, ends = (torch.tensor(found)[:, None] for found in ([at for _, at in batch], [len(i) for i, _ in batch]))
    wanted = (places >= starts - 1) & (places < ends - 1)
    return ids[:, :-1], wanted, ids[:, 1:][wanted]


def _vocabulary(family: str) -> Tokens:
    """The family's words, and the phrases that stand in 1% of 3000 documents at least; the same on every run."""
    documents = itertools.islice(slip_documents(family, random.Random("vocabulary")), 3000)
    texts = (text for document in documents for text in (document.prompt, document.reply))
    return Tokens.learn(texts, (*words_of(family), "Yes", "No"), at_least=30)
