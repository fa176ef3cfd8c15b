import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.data import exports
from selfcritic.agent.data.comparisons import add_gold_critique, create_comparisons
from selfcritic.agent.data.preference_pairs import create_pairs
from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    Comparison,
    CritiqueSample,
    Rating,
    RatingForm,
)
from selfcritic.agent.errors import InputError

SCORES = st.none() | st.integers(1, 7)
FORMS = st.builds(
    RatingForm,
    bug_inclusion=st.dictionaries(st.sampled_from(["first", "second"]), st.integers(1, 7)),
    comprehensiveness=SCORES,
    nitpick=SCORES,
    hallucinated_problem=SCORES,
    conciseness=SCORES,
    overall=SCORES,
    rationale=st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.text(max_size=3),
    lambda items: (
        st.lists(items, max_size=2)
        | st.dictionaries(st.sampled_from(["rating", "text", "value", "id"]), items, max_size=2)
    ),
    max_leaves=5,
)


def make_record(name: str = "1", language: str | None = None) -> AnswerRecord:
    record = AnswerRecord(
        id=name,
        task=f"task-{name}",
        question="What is 7 * 12?",
        context="Use words.",
        answer="It is 74 or 73.",
        language=language,
        bugs=[
            Bug(id="first", description="7 * 12 is 84.", quote="74", start=6, end=8),
            Bug(id="second", description="Choose one.", quote="or", start=9, end=11),
        ],
        critiques=[
            CritiqueSample(id=f"model-{letter} #1", critic=f"model-{letter}", text=f"Text {letter}")
            for letter in "vwx"
        ],
    )
    return add_gold_critique(record)


RECORDS = [make_record("1"), make_record("2", "python")]
COMPARISONS = create_comparisons(RECORDS, "ann")


def fill(shown: Comparison, forms: list[RatingForm], rater: str = "ann") -> Comparison:
    return shown.model_copy(update={"forms": forms, "rater": rater})


def fill_simply(*scores: int) -> list[Comparison]:
    forms = [RatingForm(overall=score) for score in scores]
    return [fill(shown, forms) for shown in COMPARISONS]


def find_nulls(data: Any) -> bool:
    if isinstance(data, dict):
        return any(map(find_nulls, data.values()))
    if isinstance(data, list):
        return any(map(find_nulls, data))
    return data is None


def save(tmp_path: Path, rows: Any, name: str = "rows.json") -> Any:
    exports.write_json(tmp_path / name, rows)
    return exports.read_json(tmp_path / name)


def test_preference_round_trip(tmp_path: Path):
    pairs = create_pairs(RECORDS, fill_simply(7, 5, 5, 1))
    rows = exports.to_preference(pairs)
    assert not find_nulls(rows)
    assert save(tmp_path, rows, "pairs.jsonl") == rows
    answers = load_answers(str(tmp_path / "pairs.jsonl"))
    assert [record.answer for record in answers[::2]] == [pair.chosen.text for pair in pairs]
    assert [record.answer for record in answers[1::2]] == [pair.rejected.text for pair in pairs]
    assert [record.metadata["margin"] for record in answers[::2]] == [
        float(pair.margin) for pair in pairs
    ]
    assert len({record.task for record in answers}) == 2  # a prompt per answer
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    assert rows[0]["prompt"][1]["content"].endswith("Critique:")
    assert "It is 74 or 73." in rows[0]["prompt"][1]["content"]
    assert rows[0]["prompt"][0] != rows[-1]["prompt"][0]  # for text, and for code


def test_unpaired_and_prompt_only():
    ratings = [
        Rating(record="1", critique="model-v #1", rater="a", rater_type="human", is_helpful=True),
        Rating(
            record="1", critique="gold", rater="a", rater_type="human", form=RatingForm(overall=4)
        ),
        Rating(record="2", critique="gold", rater="a", rater_type="human"),
        Rating(
            record="2", critique="gold", rater="a", rater_type="judge", is_helpful=True, error="x"
        ),
    ]
    rows = exports.to_unpaired(RECORDS, ratings)
    assert [(row["completion"][0]["content"], row["label"]) for row in rows] == [
        ("Text v", True),
        (RECORDS[0].critiques[-1].text, False),
    ]
    prompts = exports.to_prompt_only(RECORDS)
    assert [row["record"] for row in prompts] == ["1", "2"]
    assert rows[0]["prompt"] == prompts[0]["prompt"]
    assert not find_nulls([rows, prompts])
    with pytest.raises(InputError, match="no record '9'"):
        exports.to_unpaired(RECORDS, [ratings[0].model_copy(update={"record": "9"})])


@settings(max_examples=15)
@given(st.lists(FORMS, min_size=8, max_size=8))
def test_argilla_round_trip(forms: list[RatingForm]):
    empty = RatingForm()
    filled = [fill(COMPARISONS[0], forms[:4]), fill(COMPARISONS[0], forms[4:], "bob")]
    rows = json.loads(json.dumps(exports.to_argilla(RECORDS, filled)))
    (row,) = rows
    assert "model-" not in json.dumps(row)  # blind
    expected = [shown for shown in filled if any(form != empty for form in shown.forms)]
    read = exports.from_argilla(rows, RECORDS, filled)
    assert sorted(read, key=lambda shown: shown.rater) == expected


@settings(max_examples=15)
@given(st.lists(FORMS, min_size=8, max_size=8))
def test_label_studio_round_trip(forms: list[RatingForm]):
    empty = RatingForm()
    filled = [fill(COMPARISONS[0], forms[:4]), fill(COMPARISONS[1], forms[4:], "bob")]
    tasks = json.loads(json.dumps(exports.to_label_studio(RECORDS, filled)))
    assert len(tasks) == 2
    assert "model-" not in json.dumps(tasks)  # blind
    expected = [shown for shown in filled if any(form != empty for form in shown.forms)]
    assert exports.from_label_studio(tasks, RECORDS, COMPARISONS) == expected


def test_forms_of_judges_are_suggestions_and_predictions():
    judged = [
        shown.model_copy(update={"rater": "judge-1", "rater_type": "judge"})
        for shown in fill_simply(7, 6, 5, 4)
    ]
    (row, _) = exports.to_argilla(RECORDS, judged)
    assert row["suggestions"]["overall_a"] == {"value": 7, "agent": "judge-1"}
    assert row["responses"] == {}
    (task, _) = exports.to_label_studio(RECORDS, judged)
    assert task["annotations"] == []
    assert task["predictions"][0]["model_version"] == "judge-1"


def test_unfilled_comparisons_are_tasks():
    for rows in (
        exports.to_argilla(RECORDS, COMPARISONS),
        exports.to_label_studio(RECORDS, COMPARISONS),
    ):
        assert len(rows) == 2
    fields = exports.to_argilla(RECORDS, COMPARISONS)[0]["fields"]
    assert fields["bugs"] == "1. 7 * 12 is 84.\n2. Choose one."
    assert set(fields) == {"question", "context", "answer", "bugs"} | {
        f"critique_{letter}" for letter in "abcd"
    }


def test_the_labeling_interface_has_every_question_and_field():
    root = ElementTree.fromstring(exports.create_label_config(RECORDS, COMPARISONS))  # noqa: S314
    ratings = {element.get("name") for element in root.iter("Rating")}
    assert len(ratings) == 4 * (5 + 2)
    assert {"overall_a", "bug_1_a", "bug_2_d"} <= ratings
    filled = exports.to_label_studio(RECORDS, fill_simply(1, 2, 3, 4))
    shown = {str(element.get("value"))[1:] for element in root.iter("Text")}
    assert shown == set(filled[0]["data"]) - {"comparison"}
    for result in filled[0]["annotations"][0]["result"]:
        assert result["from_name"] in ratings
        assert result["to_name"] in shown


def test_label_studio_exports_of_its_server():
    (task, _) = exports.to_label_studio(RECORDS, COMPARISONS)
    result = {"from_name": "overall_b", "type": "rating", "value": {"rating": 6}}
    text = {"from_name": "rationale_b", "type": "textarea", "value": {"text": "why"}}
    annotations: list[dict[str, Any]] = [
        {"completed_by": 3, "was_cancelled": True, "result": []},
        {"completed_by": 3, "result": [result, text]},
        {"completed_by": {"id": 4, "email": None}, "result": []},
        {"result": []},
    ]
    read = exports.from_label_studio([{**task, "annotations": annotations}], RECORDS, COMPARISONS)
    assert [shown.rater for shown in read] == ["3", "4", "unknown"]
    assert read[0].forms[1] == RatingForm(overall=6, rationale="why")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"comparison": "x"}}, "There is no comparison 'x'"),
        ({"data": {"comparison": []}}, "There is no comparison"),
        ({"data": {}}, "Task 1 has an unknown form: export the project as JSON"),
        ({"annotations": [{}]}, "Task 1 has an unknown form"),
        ({"annotations": "x"}, "Task 1 has an unknown form"),
        (
            {"annotations": [{"result": [{"from_name": "overall_a", "value": {"rating": 8}}]}]},
            "Record '1', rater 'unknown', critique 'a': overall: Input should be less than",
        ),
    ],
)
def test_bad_label_studio_tasks(change: dict[str, Any], message: str):
    (task, _) = exports.to_label_studio(RECORDS, COMPARISONS)
    with pytest.raises(InputError) as error:
        exports.from_label_studio([{**task, **change}], RECORDS, COMPARISONS)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "x"}, "There is no comparison 'x': pass the comparisons that were exported"),
        ({"responses": []}, None),
        ({"responses": {"overall_a": [5]}}, "responses in an unknown form"),
        ({"responses": ["overall_a"]}, "responses in an unknown form"),
        (
            {"responses": {"overall_a": [{"value": "good", "user_id": "u"}]}},
            "Record '1', rater 'u', critique 'a': overall: Input should be a valid integer",
        ),
    ],
)
def test_bad_argilla_records(change: dict[str, Any], message: str | None):
    (row, _) = exports.to_argilla(RECORDS, COMPARISONS)
    if message is None:
        assert exports.from_argilla([{**row, **change}], RECORDS, COMPARISONS) == []
        return
    with pytest.raises(InputError) as error:
        exports.from_argilla([{**row, **change}], RECORDS, COMPARISONS)
    assert message in str(error.value)


def make_rating(critique: str, **values: Any) -> Rating:
    return Rating(record="1", critique=critique, rater="ann", rater_type="human", **values)


RATINGS = [
    make_rating("a", is_helpful=True),
    make_rating(
        "b",
        form=RatingForm(bug_inclusion={"first": 7, "second": 1}, overall=5, rationale="Because."),
    ),
]


def test_inspect_scores_round_trip(tmp_path: Path):
    unscored = [make_rating("c"), make_rating("d", is_helpful=True, error="unreadable")]
    rows = exports.to_inspect_scores([*RATINGS, *unscored])
    assert [row["id"] for row in rows] == ["1/a", "1/b"]
    assert rows[1]["value"] == {"bug_inclusion": 4.0, "overall": 5.0}
    assert rows[1]["explanation"] == "Because."
    assert exports.from_inspect_scores(save(tmp_path, rows, "scores.jsonl")) == RATINGS


@pytest.mark.slow
def test_inspect_reads_the_scores(tmp_path: Path):
    scorer = pytest.importorskip("inspect_ai.scorer")
    model = pytest.importorskip("inspect_ai.model")
    solver = pytest.importorskip("inspect_ai.solver")
    path = tmp_path / "scores.jsonl"
    exports.write_json(path, exports.to_inspect_scores(RATINGS))
    state = solver.TaskState(
        model=model.ModelName("none/none"), sample_id="1/b", epoch=1, input="?", messages=[]
    )
    score = asyncio.run(scorer.precomputed_scores(str(path))(state, scorer.Target("")))
    assert score.value == {"bug_inclusion": 4.0, "overall": 5.0}
    assert score.explanation == "Because."


def replace_part(data: st.DataObject, value: Any) -> Any:
    """Replace a random part of a value by other JSON."""
    if not isinstance(value, dict | list) or not value:
        return data.draw(JSON)
    copy = value.copy()
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    is_whole = data.draw(st.integers(0, 2)) == 0
    copy[key] = data.draw(JSON) if is_whole else replace_part(data, value[key])
    return copy


@settings(max_examples=40)
@given(st.data())
def test_changed_exports_are_read_or_refused(data: st.DataObject):
    filled = fill_simply(7, 6, 5, 4)
    readers = {
        "argilla": lambda rows: exports.from_argilla(rows, RECORDS, COMPARISONS),
        "label studio": lambda rows: exports.from_label_studio(rows, RECORDS, COMPARISONS),
        "inspect": exports.from_inspect_scores,
    }
    exported: dict[str, list[Any]] = {
        "argilla": exports.to_argilla(RECORDS, filled),
        "label studio": exports.to_label_studio(RECORDS, filled),
        "inspect": exports.to_inspect_scores(RATINGS),
    }
    name = data.draw(st.sampled_from(list(exported)))
    row = replace_part(data, json.loads(json.dumps(exported[name][0])))
    with contextlib.suppress(InputError):
        for read in readers[name]([row]):
            assert type(read).model_validate_json(read.model_dump_json()) == read


def test_inspect_samples_with_several_ratings():
    with pytest.raises(InputError, match="Two ratings belong to the sample '1'"):
        exports.to_inspect_scores(RATINGS, sample_id=lambda rating: rating.record)
    rows: list[dict[str, Any]] = [{}, {"metadata": {}}, {"metadata": {"rating": {"record": "1"}}}]
    for row in rows:
        with pytest.raises(InputError, match="Score 1 has no valid rating"):
            exports.from_inspect_scores([row])


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "rows.json"
    exports.write_json(path, [{"a": 1}])
    with pytest.raises(TypeError):
        exports.write_json(path, [{"a": object()}])
    assert exports.read_json(path) == [{"a": 1}]


def test_label_studio_gets_no_account_that_it_may_not_have():
    filled = COMPARISONS[0].model_copy(
        update={"forms": [RatingForm(overall=4)] * len(COMPARISONS[0].critiques)}
    )
    [task] = exports.to_label_studio(RECORDS, [filled])
    for annotation in task["annotations"]:
        assert "completed_by" not in annotation
        assert annotation["result"][0]["meta"] == {"text": [filled.rater]}
    assert task["annotations"]
