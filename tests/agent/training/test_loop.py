"""A tiny decoder is trained for a few steps, exported, resumed and asked."""

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from selfcritic.agent.errors import InputError, UnknownTaskError

pytest.importorskip("torch", reason="needs torch: python3 -m pip --python .venv/bin/python install torch")
pytest.importorskip("ctranslate2", reason="needs ctranslate2: pip install 'selfcritic[embedded]'")

from selfcritic.agent.models.embedded import EmbeddedModel
from selfcritic.agent.models.engine import Engine
from selfcritic.agent.models.tokens import REPLY
from selfcritic.agent.training.loop import Plan, Run, train

PLAN = Plan("alphabetize", size="test", tokens=60_000, own_tasks=4)
ASKED = "Sort these words alphabetically: pear, apple, plum"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("training")
    train(PLAN, home, tell=lambda text: None)
    return home


def test_ctranslate2_computes_what_torch_computes(folder: Path):
    import numpy
    import torch

    run = Run(PLAN, folder)
    run.resume()
    assert run.seen >= PLAN.tokens
    engine = Engine(folder / "float32")
    tokens = [*engine.tokens.encode(ASKED), REPLY]
    hidden = run.decoder(torch.tensor([[engine.tokens.ids[token] for token in tokens]]))
    ours = run.decoder.logits(hidden).detach().numpy()
    theirs = numpy.array(engine._generator(0).forward_batch([tokens]))
    assert numpy.allclose(ours, theirs, atol=1e-3)


def test_a_seed_repeats_and_another_differs(folder: Path):
    model = EmbeddedModel(folder=folder / "float32")
    first, again, other = ([r.text for r in model.draw([HumanMessage(ASKED)], 4, seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 4


def test_a_verdict_has_logprobs_and_a_prefix_is_not_said_again(folder: Path):
    from selfcritic.prompts import load

    model = EmbeddedModel(folder=folder / "float32")
    judged = load("default").render("classify", context="", question=ASKED, answer="apple, pear, plum")
    [reply] = model.draw(judged, 1, 1)
    assert reply.p_yes is not None
    assert 0 < reply.p_yes < 1
    assert len(model.draw([HumanMessage(ASKED), AIMessage("apple, ")], 2, 1)) == 2


def test_a_verdict_is_the_same_beside_prompts_of_other_lengths(folder: Path):
    engine = Engine(folder / "float32")
    prompts = ["pear, apple", "pear, apple, plum, kiwi, lemon", "fig"]
    apart = [engine.complete([prompt], seed=1)[0][0].p_yes for prompt in prompts]
    assert [one.p_yes for [one] in engine.complete(prompts, seed=1)] == pytest.approx(apart, abs=1e-4)


def test_a_stream_says_token_by_token_what_is_said_at_once(folder: Path):
    model = EmbeddedModel(folder=folder / "float32", seed=3)
    pieces = [chunk.text for chunk in model.stream(ASKED)]
    assert "".join(pieces) == model.invoke(ASKED).text
    assert len(pieces) > 2


def test_another_question_is_refused(folder: Path):
    with pytest.raises(UnknownTaskError, match="alphabetize"):
        EmbeddedModel(folder=folder / "float32").draw([HumanMessage("Who are you?")], 1, 1)


def test_another_plan_does_not_go_on_in_the_same_folder(folder: Path):
    with pytest.raises(InputError, match="another plan"):
        Run(Plan("alphabetize", size="test", tokens=70_000), folder).resume()
