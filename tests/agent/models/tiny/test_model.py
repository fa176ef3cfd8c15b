"""Tests of the tiny model's inference.

Most use the model in weights/: 18,000 parameters, trained for half a minute, so its replies are mostly wrong. It is
FOLDER/float32 of `selfcritic train tiny alphabetize FOLDER --size test --tokens 400000`.
"""

import asyncio
import math
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage

from selfcritic.agent import load
from selfcritic.agent.errors import InputError, UnknownModelError, UnknownTaskError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import SHIPPED, TinyModel
from selfcritic.agent.tasks import Alphabetize, Task
from selfcritic.agent.tasks.alphabetize.vocabulary import COMMON
from selfcritic.agent.training.tiny.examples import GradedDraft, is_helpful
from selfcritic.prompts import load as load_prompts

_ROOT = Path(__file__).parents[4]
_REPORT = _ROOT / "docs" / "tiny_report.txt"
WEIGHTS = Path(__file__).parent / "weights"
QUESTION = "Sort these words alphabetically: olive, apple, plum"
VERDICT_PROMPT = load_prompts().render(
    "classify", context="", question=QUESTION, answer="apple, olive, plum"
)


def load_tiny(**options: object) -> TinyModel:
    model = load(f"tiny:{WEIGHTS}", **options)
    assert isinstance(model, TinyModel)
    return model


def sample_texts(seed: int) -> list[str]:
    replies = load_tiny().sample([HumanMessage(QUESTION)], 4, seed)
    return [reply.text for reply in replies]


def test_seed_repeats_replies():
    assert sample_texts(1) == sample_texts(1)
    assert sample_texts(1) != sample_texts(2)
    assert len(set(sample_texts(1))) > 1


def test_seed_repeats_replies_of_concurrent_calls():
    questions = [
        f"Sort these words alphabetically: {words}"
        for words in ("olive, plum", "plum, olive, kiwi")
    ]
    calls = [(question, seed) for question in questions for seed in range(10)]
    model = load_tiny()

    def sample(call: tuple[str, int]) -> list[str]:
        question, seed = call
        return [reply.text for reply in model.sample([HumanMessage(question)], 2, seed)]

    sequential = list(map(sample, calls))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sample, calls)) == sequential


def test_seed_depends_on_the_prompt():
    model = load_tiny(seed=7)
    assert model._seed_for("a", None) == model._seed_for("a", None)
    assert model._seed_for("a", None) != model._seed_for("b", None)


def test_replies_only_use_words_of_their_prompt():
    engine = Engine(WEIGHTS)
    tokenizer = engine.tokenizer
    prompts = [QUESTION, "Sort these words alphabetically: garden, lemon", QUESTION]
    for prompt, replies in zip(prompts, engine.complete(prompts, n=20, seed=1), strict=True):
        allowed = tokenizer.words_in(tokenizer.encode(prompt)) | {"Yes", "No"}
        used = [tokenizer.words_in(tokenizer.encode(reply.text)) for reply in replies]
        assert any(used)
        assert all(words <= allowed for words in used)


def test_replies_are_in_random_order():
    prompt = load_prompts("tiny").render("generate", "question", context="", question=QUESTION)
    num_longer_first = 0
    replies_by_seed = []
    for seed in range(60):
        [replies] = Engine(WEIGHTS).complete([prompt[-1].text], 2, seed)
        first, second = (len(reply.text) for reply in replies)
        num_longer_first += first > second
        replies_by_seed.append(first != second)
    share = num_longer_first / sum(replies_by_seed)
    assert 0.25 < share < 0.75  # sorted by likelihood, short replies would come first


def test_streamed_replies_only_use_words_of_their_prompt():
    engine = Engine(WEIGHTS)
    tokens = engine.tokenizer.encode("".join(engine.stream(QUESTION, seed=3)))
    assert engine.tokenizer.words_in(tokens) <= {"olive", "apple", "plum", "Yes", "No"}


def test_temperature_0_ignores_the_seed():
    model = load_tiny(temperature=0.0)
    replies = [model.sample([HumanMessage(QUESTION)], 1, seed)[0].text for seed in range(5)]
    assert len(set(replies)) == 1


def test_verdict_probability_agrees_with_sampled_verdicts():
    model = load_tiny()
    replies = [reply for seed in range(4) for reply in model.sample(VERDICT_PROMPT, 100, seed)]
    [p_yes] = {reply.p_yes for reply in replies}
    assert p_yes is not None
    verdicts = [reply.text for reply in replies if reply.text in ("Yes", "No")]
    assert len(verdicts) > 10
    standard_error = math.sqrt(p_yes * (1 - p_yes) / len(verdicts))
    assert verdicts.count("Yes") / len(verdicts) == pytest.approx(p_yes, abs=4 * standard_error)


def test_verdict_logprobs_hold_the_probability():
    model = load_tiny()
    [reply] = model.sample(VERDICT_PROMPT, 1, 0)
    assert reply.p_yes is not None
    metadata = model.invoke(VERDICT_PROMPT, logprobs=True).response_metadata
    top_logprobs = metadata["logprobs"]["content"][0]["top_logprobs"]
    probabilities = {entry["token"]: math.exp(entry["logprob"]) for entry in top_logprobs}
    assert probabilities == pytest.approx({"Yes": reply.p_yes, "No": 1 - reply.p_yes})


def test_verdict_does_not_depend_on_other_prompts_of_the_batch():
    engine = Engine(WEIGHTS)
    prompts = ["olive, apple", "olive, apple, plum, kiwi, lemon", "lemon"]
    separate = [engine.complete([prompt], seed=1)[0][0].p_yes for prompt in prompts]
    batched = [completion.p_yes for [completion] in engine.complete(prompts, seed=1)]
    assert batched == pytest.approx(separate, abs=1e-4)


def test_prefix_is_continued_and_not_repeated():
    prefix = "apple, apple, apple, apple, "
    replies = load_tiny().sample([HumanMessage(QUESTION), AIMessage(prefix)], 8, 1)
    assert len(replies) == 8
    assert not any(reply.text.startswith(prefix) for reply in replies)


def test_stream_yields_the_reply_in_pieces():
    async def stream() -> list[AIMessageChunk]:
        return [chunk async for chunk in load_tiny(seed=2).astream(QUESTION)]

    reply = load_tiny(seed=2).invoke(QUESTION)
    for chunks in (list(load_tiny(seed=2).stream(QUESTION)), asyncio.run(stream())):
        assert "".join(chunk.text for chunk in chunks) == reply.text
        assert len(chunks) > 3


@pytest.mark.parametrize(
    "before", ["", '```\nolive\n```\n"olive" stands twice but was given once.\n\n']
)
def test_reply_to_a_forced_fence_begins_with_its_line_end(before: str):
    model = load("tiny", seed=1)
    prompt = load_prompts().render(
        "critique", context="", question=QUESTION, answer="olive, olive, apple, plum", findings=""
    )
    messages = [*prompt, AIMessage(f"{before}```")]
    streamed = "".join(chunk.text for chunk in model.stream(messages))
    for text in (model.invoke(messages).text, streamed):
        assert text.startswith("\n")
        assert not text.startswith("\n\n")


def test_forced_quotes_are_grounded_as_often_as_sampled_ones():
    from selfcritic.graphs import create_review

    answer = "olive, plum, apple, salmon, tiger"
    question = f"Sort these words alphabetically: {answer}"
    shares = []
    for search in ("rejection", "fsbs"):
        options = {"search": search, "num_critiques": 8, "fsbs": {"n": 8, "k": 1, "d": 1}}
        graph = create_review(model="tiny", seed=1, **options).compile()
        [review] = graph.invoke({"question": question, "answer": answer})["rounds"]
        grounded = 0
        for critique in review.critiques:
            grounded += bool(critique.comments) and critique.comments[0].start is not None
        shares.append(grounded / len(review.critiques))
    assert min(shares) > 0.7


def test_streamed_verdict_has_logprobs():
    chunks = list(load_tiny(seed=2).stream(VERDICT_PROMPT, logprobs=True))
    assert chunks[-1].response_metadata["logprobs"]


def test_loop_runs_on_the_model_and_repeats():
    from selfcritic.graphs import create_self_critique

    model = load_tiny()
    graph = create_self_critique(
        model=model, num_critiques=3, max_rounds=2, seed=2, helpful_threshold=0.0
    ).compile()
    first = graph.invoke({"question": QUESTION})
    second = graph.invoke({"question": QUESTION})
    assert first["answer"] == second["answer"]
    assert first["rounds"] == second["rounds"]
    assert first["usage"].calls == second["usage"].calls > 1
    assert first["capabilities"]["generator"].probability is None
    assert first["capabilities"]["judge"].probability == "logprobs"


def test_rejects_other_questions():
    with pytest.raises(UnknownTaskError, match=r"alphabetize.*--model"):
        load_tiny().sample([HumanMessage("Who are you?")], 1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("olive, quetzal, apple", "does not know 'quetzal'. Use only words of"),
        ("olive, olives, über", "does not know 'olives', 'über'. Use only words of"),
        ("Olive, apple", "does not know 'Olive'. It reads only lower case: write 'olive'."),
        ("Olive, figs", "does not know 'Olive', 'figs'. Use only words of"),
        ("Yes, No, olive", "does not know 'Yes', 'No'"),
        ("star-fish, olive", "does not know 'star-fish'"),
        ("a1 b1 c1 d1 e1 f1 g1".replace("1", "zz"), "'ezz' and 2 more."),
    ],
)
def test_rejects_words_outside_the_vocabulary(words: str, message: str):
    question = f"Sort these words alphabetically: {words}"
    with pytest.raises(UnknownTaskError, match=re.escape(message)) as error:
        load("tiny").invoke(question)
    assert "tokens.json" in str(error.value)
    assert "--model" in str(error.value)
    with pytest.raises(UnknownTaskError):
        list(load("tiny").stream(question))


@given(st.lists(st.sampled_from([*COMMON[:20], "olives", "é", "Apple"]), min_size=2, max_size=8))
def test_unknown_words_are_those_without_a_token(words: list[str]):
    task = Alphabetize(f"Sort these words alphabetically: {', '.join(words)}", tuple(words))
    unknown = [word for word in dict.fromkeys(words) if word not in COMMON]
    assert load_tiny().unknown_words(task) == unknown


@pytest.mark.parametrize(
    "question",
    [
        "Alphabetize: olive, apple, plum",
        "Sort the words olive, apple, plum in alphabetical order, please.",
        "Sort these words alphabetically:\n- olive\n- apple\n- plum",
        "Sort these words alphabetically: olive; apple; plum.",
    ],
)
def test_other_wordings_are_read_as_a_trained_one(question: str):
    model = load_tiny(seed=1)
    assert model.invoke(question).text == model.invoke(QUESTION).text


def test_trained_wordings_are_not_changed():
    model = load_tiny(seed=1)
    question = "Put in alphabetical order: olive apple plum"
    assert question in model._convert([HumanMessage(question)]).text


def test_rejects_a_folder_without_a_model(tmp_path: Path):
    with pytest.raises(UnknownModelError, match="selfcritic train tiny"):
        load(f"tiny:{tmp_path}")


def test_rejects_a_broken_vocabulary(tmp_path: Path):
    for file in WEIGHTS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokens.json").write_bytes(b"{")
    with pytest.raises(InputError, match="cannot be read"):
        load(f"tiny:{tmp_path}").invoke(QUESTION)


@pytest.fixture(scope="module")
def shipped() -> TinyModel:
    model = load("tiny", seed=1)
    assert isinstance(model, TinyModel)
    return model


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    rng = random.Random("shipped")
    return [Alphabetize.generate(rng, 8) for _ in range(20)]


@pytest.fixture(scope="module")
def flawed_drafts(tasks: list[Task]) -> list[GradedDraft]:
    rng = random.Random("shipped flaws")
    return [
        GradedDraft.grade(task, task.inject_flaw(task.solution(), rng).answer) for task in tasks
    ]


def classify_prompt(draft: GradedDraft) -> list[BaseMessage]:
    return load_prompts().render(
        "classify", context="", question=draft.task.question, answer=draft.answer
    )


def critique_prompt(draft: GradedDraft) -> list[BaseMessage]:
    return load_prompts().render(
        "critique", context="", question=draft.task.question, answer=draft.answer
    )


def test_shipped_model_sorts(shipped: TinyModel, tasks: list[Task]):
    num_correct = 0
    for task in tasks:
        [reply] = shipped.sample([HumanMessage(task.question)], 1, None)
        num_correct += task.is_correct(reply.text)
    assert num_correct >= 12


def test_shipped_model_judges(
    shipped: TinyModel, tasks: list[Task], flawed_drafts: list[GradedDraft]
):
    def p_flawed(draft: GradedDraft) -> float:
        p_yes = shipped.sample(classify_prompt(draft), 1, None)[0].p_yes
        assert p_yes is not None
        return p_yes

    solutions = [GradedDraft.grade(task, task.solution()) for task in tasks]
    assert sum(p_flawed(draft) > 0.5 for draft in flawed_drafts) >= 16
    assert sum(p_flawed(draft) < 0.5 for draft in solutions) >= 16


def test_shipped_model_critiques(shipped: TinyModel, flawed_drafts: list[GradedDraft]):
    num_critiqued = 0
    for draft in flawed_drafts:
        critiques = shipped.sample(critique_prompt(draft), 8, None)
        num_critiqued += any(is_helpful(draft, critique.text) for critique in critiques)
    assert num_critiqued >= 12


def test_shipped_files_are_small():
    assert sum(file.stat().st_size for file in SHIPPED.parent.rglob("*")) < 10_000_000


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables in a text."""
    rows = []
    for line in text.replace("│", "|").splitlines():
        if "|" in line:
            rows.append([cell.strip() for cell in line.strip("| ").split("|")])
    return rows


def test_model_card_matches_the_report():
    report_rows = [row for row in table_rows(_REPORT.read_text("utf-8")) if len(row) == 4]
    card_rows = table_rows((SHIPPED / "model_card.md").read_text("utf-8"))[2:]
    assert len(card_rows) == 9
    assert card_rows == report_rows[: len(card_rows)]


def test_results_page_quotes_the_report():
    results = (_ROOT / "docs" / "results.md").read_text("utf-8")
    [paragraph] = re.findall(r"^`tiny` is a language model.*", results, re.MULTILINE)
    figures = re.findall(r"[0-9.]+%", paragraph)
    assert figures
    report = _REPORT.read_text("utf-8")
    assert all(figure in report for figure in figures)
