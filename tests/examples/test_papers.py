"""Test the papers' experiments: stop rules, equal calls, tables, and a whole small run."""

import random
from pathlib import Path

import pytest

from examples.papers import report, run, search, settings
from examples.papers.chains import Arm, Chain, Draft, choose_critique
from examples.papers.equal_calls import DRAFTS, NUM_REPEATS, spend_calls
from examples.papers.frontier import choose_modifier
from examples.papers.models import MODELS, draw_tasks
from examples.papers.records import rated_forms
from examples.papers.replay import StopRule, replay
from examples.papers.replies import Answer, grade_critiques, ground_all
from examples.papers.results import RESULTS_FILE, Result, ResultTable, read_results, write_results
from examples.papers.settings_figure import draw_settings, group_labels
from examples.papers.tables import fill_page, render_tables
from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measures.frontier import FrontierPoint
from selfcritic.agent.evals.measures.intervals import Estimate
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.agent.tasks import Alphabetize

ROOT = Path(__file__).parents[2]
TASK = Alphabetize.generate(random.Random(1), 4)


def drafts(*values: tuple[int, float, int]) -> list[Draft]:
    """Return drafts from their flaws, P(critiqueable) and calls for critiques."""
    return [
        Draft(f"draft {number}", flaws, p_critiqueable, None, calls)
        for number, (flaws, p_critiqueable, calls) in enumerate(values)
    ]


def test_replay_counts_calls_up_to_the_stop():
    chain = Chain(TASK, drafts((2, 0.9, 16), (1, 0.6, 12), (0, 0.05, 0)))
    accepted = replay(chain, StopRule(6, 0.1))
    assert (accepted.answer.text, accepted.calls) == ("draft 2", 2 + 16 + 2 + 12 + 2)
    limited = replay(chain, StopRule(1, 0.1))
    assert (limited.answer.text, limited.calls) == ("draft 1", 2 + 16 + 2)
    early = replay(chain, StopRule(6, 0.7))
    assert (early.answer.text, early.calls) == ("draft 1", 2 + 16 + 2)
    assert replay(chain, StopRule(6, 0.95)).calls == 2


def test_replay_of_a_stuck_chain_includes_its_last_critiques():
    chain = Chain(TASK, drafts((2, 0.9, 16), (2, 0.95, 12)), is_stuck=True, repeat_calls=1)
    best = replay(chain, StopRule(6, 0.1))
    assert (best.answer.text, best.calls) == ("draft 0", 2 + 16 + 2 + 12 + 1)
    latest = replay(chain, StopRule(6, 0.1, keep="latest"))
    assert (latest.answer.text, latest.calls) == ("draft 1", best.calls)
    assert replay(chain, StopRule(1, 0.1)).calls == 2 + 16 + 2


def test_forced_replay_refines_accepted_answers():
    chain = Chain(TASK, drafts((0, 0.01, 16), (1, 0.9, 12), (0, 0.01, 0)))
    outcome = replay(chain, StopRule(1, is_forced=True))
    assert (outcome.answer.text, outcome.calls, outcome.preference) == ("draft 1", 20, 0.0)


def test_verdict_by_helpfulness_counts_critiques_but_no_verdicts():
    chain = Chain(TASK, drafts((1, 0.01, 16), (0, 0.9, 12)))
    chain.drafts[0].best_helpful = 0.8
    chain.drafts[1].best_helpful = 0.05
    outcome = replay(chain, StopRule(6, 0.1, verdict="helpfulness"))
    assert (outcome.answer.text, outcome.calls) == ("draft 1", 1 + 16 + 1 + 12)


def test_plateau_stops_after_rounds_without_improvement():
    chain = Chain(TASK, drafts((1, 0.5, 1), (1, 0.6, 1), (1, 0.7, 1), (0, 0.01, 0)))
    assert replay(chain, StopRule(6, 0.1, patience=2)).answer.text == "draft 0"
    assert replay(chain, StopRule(6, 0.1, patience=3)).answer.text == "draft 3"


def test_baselines_spend_at_most_the_calls():
    first = Chain(TASK, drafts((2, 0.9, 0), (1, 0.5, 0), (0, 0.01, 0)))
    arms = {DRAFTS: [Chain(TASK, drafts((2, 0.9, 0), (3, 0.8, 0), (1, 0.05, 0), (0, 0.01, 0)))]}
    for number in range(1, NUM_REPEATS):
        arms[f"direct {number}"] = [Chain(TASK, drafts((1, 0.7, 0)))]
    for calls, expected, spent in ((1, 2, 2), (5, 3, 4), (6, 1, 6), (9, 0, 8)):
        [outcome] = spend_calls("best of n drafts", [first], arms, [calls], 0.1)
        assert (outcome.answer.num_flaws, outcome.calls) == (expected, spent)
    [resampled] = spend_calls("resampled until accepted", [first], arms, [100], 0.1)
    assert (resampled.answer.num_flaws, resampled.calls) == (1, 6)
    [repeated] = spend_calls("direct, repeated", [first], arms, [100], 0.1)
    assert (repeated.answer.num_flaws, repeated.calls) == (0, 2 * (3 + NUM_REPEATS - 1))
    [accepted] = spend_calls("best of n drafts", [first], {}, [100], 0.1)
    assert accepted.calls == 2


def critique(quote: str, reward: float) -> Critique:
    start = "alpha beta".index(quote)
    comment = Comment(quote=quote, text=quote, start=start, end=start + len(quote))
    return Critique(text=quote, comments=[comment], reward=reward)


def test_arms_choose_their_critiques():
    pool = [critique("alpha", 0.4), critique("beta", 0.9), Critique(text="none", reward=1.0)]
    chosen = {}
    for arm in (Arm("best"), Arm("worst", "worst"), Arm("two", max_applied=2)):
        selected = choose_critique(arm, pool)
        chosen[arm.name] = [comment.quote for comment in selected.comments] if selected else []
    assert chosen == {"best": ["beta"], "worst": ["alpha"], "two": ["alpha", "beta"]}
    assert choose_critique(Arm("strict", helpful_threshold=0.95), pool) is None


def test_oracle_rates_comprehensive_and_spurious_critiques():
    task = Alphabetize("Sort these words alphabetically: b, a, c", ("b", "a", "c"))
    answer = Answer(task, "b, a, c, c")
    flaws = [flaw.comment for flaw in task.flaws(answer.text)]
    false = task.false_comment(answer.text, random.Random(1))
    texts = [render(flaws), render(flaws[:1]), render([*flaws, false]), "No fence."]
    critiques = ground_all(texts, answer)
    assert grade_critiques(answer, critiques) == [True, True, False, False]
    samples = []
    for number, item in enumerate(critiques):
        samples.append(CritiqueSample(id=str(number), critic="c", **item.model_dump()))
    record = AnswerRecord(
        id="1", task="1", question=task.question, answer=answer.text, critiques=samples
    )
    scores = []
    for rating in rated_forms(record, answer):
        assert rating.form is not None
        scores.append((rating.form.comprehensiveness, rating.form.hallucinated_problem))
    assert scores == [(7, 1), (1, 1), (7, 7), (1, 7)]


def test_modifier_with_the_best_tradeoff_is_chosen():
    points = []
    for modifier, comprehensive, spurious in ((-1.0, 0.4, 0.2), (0.0, 0.6, 0.4), (0.5, 0.7, 0.6)):
        values = [Estimate(value, 0, 1, 10) for value in (comprehensive, spurious, 1.0)]
        points.append(FrontierPoint(modifier, *values))
    assert choose_modifier(points) == 0.0


def test_splits_have_different_tasks():
    dev = {task.id for task in draw_tasks("alphabetize", "dev", 50)}
    test = [task.id for task in draw_tasks("alphabetize", "test", 50)]
    assert len(set(test)) == 50
    assert dev.isdisjoint(test)


def test_results_are_read_as_written(tmp_path: Path):
    results = [
        Result("size", "small", "correct", 0.5, 0.25, None, 4, 1, 8.0, "a, note"),
        Result("size", "small", "AUC", None, None, None, 4),
    ]
    write_results(tmp_path / RESULTS_FILE, results)
    assert read_results(tmp_path / RESULTS_FILE) == results


def test_page_has_the_tables_of_the_results():
    """docs/science.md was filled by `examples.papers.report`."""
    table = ResultTable(read_results(ROOT / "docs" / "results" / "papers" / RESULTS_FILE))
    page = (ROOT / "docs" / "science.md").read_text("utf-8")
    assert page.count("<!-- papers: ") >= 8
    assert fill_page(page, render_tables(table)) == page


def test_points_at_one_place_share_a_label():
    points = [
        Result("settings_dev", "all", "N", v, None, None, 1, x=2.0) for v in (0.5, 0.75, 0.75)
    ]
    labels = group_labels(["1", "2", "4", "8"], [*points, None])
    assert labels == [("1", (2.0, 50.0)), ("2, 4", (2.0, 75.0))]


def test_labels_of_the_settings_do_not_overlap():
    import matplotlib.pyplot as plt

    table = ResultTable(read_results(ROOT / "docs" / "results" / "papers" / RESULTS_FILE))
    figure = draw_settings(table)
    for axis in figure.axes:
        labels = [label for label in axis.texts if label.get_text()]
        assert len(labels) >= 6
        boxes = [label.get_window_extent() for label in labels]
        for number, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:number])
    plt.close(figure)


def test_unknown_names_are_errors(tmp_path: Path):
    with pytest.raises(InputError, match=r"no model 'huge' \(--model\): choose from small, "):
        run.select_models(["huge"])
    with pytest.raises(InputError, match=r"no step 'all' \(--step\)"):
        run.select_steps(["all"])
    with pytest.raises(InputError, match="has no records"):
        report.main(tmp_path, None, None, reuse=False)


def test_other_tasks_need_another_folder(tmp_path: Path):
    run.check_manifest(tmp_path, run.Counts(20, 10, 1.0))
    run.check_manifest(tmp_path, run.Counts(20, 10, 1.0))
    with pytest.raises(InputError, match="Pass another folder"):
        run.check_manifest(tmp_path, run.Counts(20, 10, 0.5))


@pytest.mark.slow
def test_small_run_resumes_and_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = MODELS["small"]
    for module in (run, report):
        monkeypatch.setattr(module, "WORD_MODELS", (small,))
        monkeypatch.setattr(module, "MODELS", {"small": small})
    monkeypatch.setattr(settings, "DEV_ARMS", [*settings.DEV_ARMS[:1], *settings.DEV_ARMS[6:]])
    monkeypatch.setattr(search, "MAX_ANSWERS", {"dev": 2, "test": 2})
    run.main(tmp_path, count=4, dev_count=2, share=0.75, model=None, step=["pools", "refine"])
    before = (tmp_path / "refine" / "small" / "chains.jsonl").stat().st_mtime_ns
    run.main(tmp_path, count=4, dev_count=2, share=0.75, model=None, step=None)
    assert (tmp_path / "refine" / "small" / "chains.jsonl").stat().st_mtime_ns == before
    report.main(tmp_path, None, None, reuse=False)
    results = ResultTable(read_results(tmp_path / "results" / RESULTS_FILE))
    assert results.value("best_of_n", "small", "natural, oracle, N=64") >= results.value(
        "best_of_n", "small", "natural, P(helpful), N=64"
    )
    experiments = {result.experiment for result in results.results}
    assert experiments >= {"gdc", "cross", "frontier", "equal_calls"}
    assert experiments >= {"settings_dev", "settings_test"}
    plots = {path.stem for path in (tmp_path / "results").glob("*.svg")}
    assert plots == {"size", "best_of_n", "refine", "gdc", "cross", "frontier", "settings"}
