"""The tiny model's inference, on a decoder far too small to be right: 18,000 parameters, trained for half a minute.

`selfcritic train tiny alphabetize FOLDER --size test --tokens 400000` made FOLDER/float32, which is weights/ here.
"""

import asyncio
import math
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from selfcritic.agent import load
from selfcritic.agent.errors import InputError, UnknownModelError, UnknownTaskError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import SHIPPED, TinyModel
from selfcritic.agent.tasks import Alphabetize
from selfcritic.agent.training.tiny.examples import GradedDraft, is_helpful
from selfcritic.prompts import load as load_prompts

_ROOT = Path(__file__).parents[4]
_RECORD = _ROOT / "docs" / "tiny_report.txt"
TINY = Path(__file__).parent / "weights"
ASKED = "Sort these words alphabetically: pear, apple, plum"
JUDGED = load_prompts().render("classify", context="", question=ASKED, answer="apple, pear, plum")


def model(**options: object) -> TinyModel:
    made = load(f"tiny:{TINY}", **options)
    assert isinstance(made, TinyModel)
    return made


def test_a_seed_repeats_and_another_differs():
    first, again, other = ([r.text for r in model().draw([HumanMessage(ASKED)], 4, seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) > 1


def test_a_seed_repeats_however_many_ask_at_once():
    prompts = [HumanMessage(f"Sort these words alphabetically: {words}") for words in ("pear, fig", "fig, pear, kiwi")]
    asked = [([prompt], 2, seed) for prompt in prompts for seed in range(10)]
    judge = model()
    alone = [judge.draw(*one) for one in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: judge.draw(*one), asked)) == alone


def test_a_seed_draws_other_numbers_for_another_prompt():
    """Else a refinement would slip where its draft did."""
    seeds = {model(seed=7)._seed_of(None, prompt) for prompt in ("a", "b", "a")}
    assert len(seeds) == 2


def test_a_reply_has_no_word_that_does_not_stand_in_its_prompt():
    engine = Engine(TINY)
    prompts = [ASKED, "Sort these words alphabetically: garden, fig", ASKED]
    for prompt, replies in zip(prompts, engine.complete(prompts, n=20, seed=1), strict=True):
        given = engine.tokens.words_in(engine.tokens.encode(prompt)) | {"Yes", "No"}
        said = [engine.tokens.words_in(engine.tokens.encode(reply.text)) for reply in replies]
        assert any(said)
        assert all(words <= given for words in said)
    streamed = engine.tokens.encode("".join(engine.stream(ASKED, seed=3)))
    assert engine.tokens.words_in(streamed) <= {"pear", "apple", "plum", "Yes", "No"}


def test_temperature_0_takes_the_likeliest():
    cold = model(temperature=0.0)
    assert len({cold.draw([HumanMessage(ASKED)], 1, seed)[0].text for seed in range(5)}) == 1


def test_a_verdict_has_logprobs_that_agree_with_what_is_said():
    judge = model()
    said = [reply for seed in range(4) for reply in judge.draw(JUDGED, 100, seed)]
    [p_yes] = {reply.p_yes for reply in said}
    words = [reply.text for reply in said if reply.text in ("Yes", "No")]
    assert p_yes is not None
    assert len(words) > 10
    assert words.count("Yes") / len(words) == pytest.approx(p_yes, abs=4 * math.sqrt(p_yes * (1 - p_yes) / len(words)))
    told = judge.invoke(JUDGED, logprobs=True).response_metadata["logprobs"]["content"][0]["top_logprobs"]
    assert {one["token"]: math.exp(one["logprob"]) for one in told} == pytest.approx({"Yes": p_yes, "No": 1 - p_yes})


def test_a_verdict_is_the_same_beside_prompts_of_other_lengths():
    engine = Engine(TINY)
    prompts = ["pear, apple", "pear, apple, plum, kiwi, lemon", "fig"]
    apart = [engine.complete([prompt], seed=1)[0][0].p_yes for prompt in prompts]
    assert [one.p_yes for [one] in engine.complete(prompts, seed=1)] == pytest.approx(apart, abs=1e-4)


def test_a_reply_that_was_begun_is_continued_and_its_beginning_is_not_said_again():
    said = model().draw([HumanMessage(ASKED), AIMessage("apple, apple, apple, apple, ")], 8, 1)
    assert len(said) == 8
    assert not any(reply.text.startswith("apple, apple, apple, apple, ") for reply in said)


def test_a_stream_says_token_by_token_what_is_said_at_once():
    async def streamed() -> list[AIMessageChunk]:
        return [chunk async for chunk in model(seed=2).astream(ASKED)]

    for chunks in (list(model(seed=2).stream(ASKED)), asyncio.run(streamed())):
        assert "".join(chunk.text for chunk in chunks) == model(seed=2).invoke(ASKED).text
        assert len(chunks) > 3
    verdict = list(model(seed=2).stream(JUDGED, logprobs=True))
    assert verdict[-1].response_metadata["logprobs"]


def test_the_loop_runs_on_it_and_comes_back_with_the_best_draft():
    from selfcritic.graphs import create_self_critique

    graph = create_self_critique(model=model(), num_critiques=3, max_rounds=2, seed=2, helpful_threshold=0.0).compile()
    first, again = (graph.invoke({"question": ASKED}) for _ in range(2))
    assert (first["answer"], first["rounds"]) == (again["answer"], again["rounds"])
    assert first["usage"].calls == again["usage"].calls > 1
    assert first["capabilities"]["generator"].probability is None
    assert first["capabilities"]["judge"].probability == "logprobs"


def test_another_question_is_refused_with_what_to_do():
    with pytest.raises(UnknownTaskError, match=r"alphabetize.*--model"):
        model().draw([HumanMessage("Who are you?")], 1, 1)


def test_a_folder_without_a_model_is_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(UnknownModelError, match="selfcritic train tiny"):
        load(f"tiny:{tmp_path}").invoke(ASKED)


def test_a_vocabulary_that_is_none_is_an_error(tmp_path: Path):
    for file in TINY.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.name != "tokens.json" else b"{")
    with pytest.raises(InputError, match="cannot be read"):
        load(f"tiny:{tmp_path}").invoke(ASKED)


def test_the_model_that_ships_sorts_and_criticises_what_is_wrong():
    shipped = load("tiny", seed=1)
    assert isinstance(shipped, TinyModel)
    rng = random.Random("shipped")
    tasks = [Alphabetize.generate(rng, 8) for _ in range(20)]
    right = [task.is_correct(shipped.draw([HumanMessage(task.question)], 1, None)[0].text) for task in tasks]
    assert sum(right) >= 12
    slips = [GradedDraft.of(task, task.inject_flaw(task.solution(), rng).answer) for task in tasks]
    doubts = [
        shipped.draw(
            load_prompts().render("classify", context="", question=one.task.question, answer=one.answer), 1, None
        )[0].p_yes
        for one in [*slips, *(GradedDraft.of(task, task.solution()) for task in tasks)]
    ]
    assert sum(doubt > 0.5 for doubt in doubts[:20] if doubt is not None) >= 16
    assert sum(doubt < 0.5 for doubt in doubts[20:] if doubt is not None) >= 16
    prompts = [load_prompts().render("critique", context="", question=o.task.question, answer=o.answer) for o in slips]
    valid = [any(is_helpful(o, r.text) for r in shipped.draw(p, 8, None)) for o, p in zip(slips, prompts, strict=True)]
    assert sum(valid) >= 12


def test_all_that_ships_is_small_and_its_card_says_what_was_measured():
    assert sum(file.stat().st_size for file in SHIPPED.parent.rglob("*")) < 10_000_000
    cells = (line.strip("|│ ").replace("│", "|").split("|") for line in _RECORD.read_text("utf-8").splitlines())
    recorded = [tuple(cell.strip() for cell in row) for row in cells if len(row) == 4]
    card = (SHIPPED / "model_card.md").read_text("utf-8")
    rows = [tuple(cell.strip() for cell in line.strip("| ").split("|")) for line in card.splitlines() if "|" in line]
    assert len(rows[2:]) == 9
    assert rows[2:] == recorded[: len(rows[2:])]


def test_results_page_quotes_the_recorded_figures():
    results = (_ROOT / "docs" / "results.md").read_text("utf-8")
    [paragraph] = re.findall(r"^`tiny` is a language model.*", results, re.MULTILINE)
    quoted = re.findall(r"[0-9.]+%", paragraph)
    assert quoted
    assert all(figure in _RECORD.read_text("utf-8") for figure in quoted)
