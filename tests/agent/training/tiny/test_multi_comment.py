"""Tests of critiques with several comments: examples, continuations and fine-tuning."""

import functools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError

pytest.importorskip("torch", reason="needs torch: make train-tools")

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.evals.comment_grades import CommentGrader
from selfcritic.agent.models.tiny.tokenizer import END, REPLY
from selfcritic.agent.tasks import Alphabetize
from selfcritic.agent.training.tiny import trainer as trainer_module
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig, export
from selfcritic.agent.training.tiny.encoding import encode
from selfcritic.agent.training.tiny.examples import Example, GradedDraft, draw_task
from selfcritic.agent.training.tiny.fine_tuning import FineTuner, fine_tune
from selfcritic.agent.training.tiny.multi_comment import (
    CONTINUATION,
    DraftCritiques,
    critic_examples,
    critique_examples,
    draw_tampered_draft,
)
from selfcritic.agent.training.tiny.trainer import TrainConfig
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer

CONFIG = TrainConfig("alphabetize", size="test", tokens=2_000, self_play_tasks=4)
cached_tokenizer = functools.cache(train_tokenizer)


@pytest.fixture(autouse=True)
def _train_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "train_tokenizer", cached_tokenizer)
    monkeypatch.setattr(trainer_module, "_TREES_PER_SHUFFLE", 6)


def _write_base(folder: Path, size: str = "test") -> Path:
    tokenizer = cached_tokenizer("alphabetize")
    decoder = Decoder(ModelConfig.from_name(size, len(tokenizer.names)))
    export(decoder, tokenizer, ["alphabetize"], folder, None)
    return folder


def _draw_draft(seed: int) -> GradedDraft:
    rng = random.Random(seed)
    return draw_tampered_draft(draw_task("alphabetize", rng), rng)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_critiques_name_true_flaws_in_the_order_of_their_quotes(seed: int):
    draft = _draw_draft(seed)
    for example in critique_examples(draft, random.Random(seed)):
        if example.prefix:
            continue
        critique = ground(example.reply, draft.answer)
        starts = [comment.start for comment in critique.comments]
        assert starts == sorted(starts, key=lambda start: start or 0)
        assert all(draft.task.is_valid(draft.answer, comment) for comment in critique.comments)
        assert not critique.ungrounded
        assert not critique.unparsed


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_continuations_name_flaws_that_the_beginning_does_not(seed: int):
    draft = _draw_draft(seed)
    for example in critique_examples(draft, random.Random(seed)):
        if not example.prefix:
            continue
        assert example.prefix.endswith(CONTINUATION)
        begun = ground(example.prefix.removesuffix(CONTINUATION), draft.answer).comments
        whole = ground(example.prefix + example.reply, draft.answer).comments
        assert whole[: len(begun)] == begun
        grader = CommentGrader(draft.task, draft.answer)
        named = {index for comment in begun for index in grader.grade(comment).named}
        added = {index for comment in whole[len(begun) :] for index in grader.grade(comment).named}
        assert added
        assert added.isdisjoint(named)


def test_some_drafts_have_several_comments_and_continuations():
    critiques = []
    for seed in range(8):
        draft = _draw_draft(seed)
        for example in critique_examples(draft, random.Random(seed)):
            critiques.append((example, ground(example.reply, draft.answer)))
    assert any(len(critique.comments) >= 3 for _, critique in critiques)
    assert any(example.prefix for example, _ in critiques)


def test_own_critiques_are_learned_without_their_false_comments():
    task = Alphabetize.parse("Sort these words alphabetically: cherry, apple, banana, date")
    assert task is not None
    draft = GradedDraft.grade(task, "cherry, apple, banana, date")
    own = (
        '```\ncherry\n```\n"cherry" is out of order: it belongs right after "banana".\n\n'
        '```\ndate\n```\n"date" was not among the words given.'
    )
    sampled = DraftCritiques(draft, is_first=False, critiques=[own])
    examples = list(critic_examples(sampled, random.Random(0), with_verdict=False))
    critiques = [example.reply for example in examples if "```" in example.reply]
    assert critiques
    assert not any("was not among" in critique for critique in critiques)
    verdicts = {example.prompt: example.reply for example in examples}
    judged = [reply for prompt, reply in verdicts.items() if "was not among" in prompt]
    assert set(judged) == {"No"}


def test_a_continued_example_learns_only_what_follows_its_prefix():
    tokenizer = cached_tokenizer("alphabetize")
    prompt = "Sort these words alphabetically: pear, apple"
    encoded = encode(Example(prompt, "apple", prefix="pear, "), tokenizer)
    names = [tokenizer.names[index] for index in encoded.ids]
    assert names[encoded.reply_start :] == ["apple", END]
    assert REPLY in names[: encoded.reply_start]


def test_fine_tuning_starts_from_the_base_and_resumes(tmp_path: Path):
    base = _write_base(tmp_path / "base")
    out = tmp_path / "out"
    first = FineTuner(CONFIG, out, base, base)
    first.step()
    first.save()
    second = FineTuner(CONFIG, out, base, base)
    second.resume()
    assert second.tokens_seen == first.tokens_seen > 0
    folder = fine_tune(CONFIG, out, base, base, log=lambda text: None)
    assert (folder / "model.bin").is_file()
    assert (out / "int8" / "model.bin").is_file()
    again = FineTuner(CONFIG, out, base, base)
    again.resume()
    assert again.tokens_seen >= CONFIG.tokens


def test_a_base_of_another_size_is_refused(tmp_path: Path):
    base = _write_base(tmp_path / "base", "small")
    with pytest.raises(InputError, match="is not a model of size='test'"):
        FineTuner(CONFIG, tmp_path / "out", base, base)
