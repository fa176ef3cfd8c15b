"""Test reading the folder of a run, also of a killed one."""

import json
from pathlib import Path

import pytest

from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE
from selfcritic.agent.data.manifest import MANIFEST_FILE
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.run_folder import read_beside, read_run
from tests.support.eval_records import critique, manifest, rating, record, write_run

RECORDS = [record("a", critiques=[critique()]), record("b")]


def test_reads_what_was_written(tmp_path: Path):
    write_run(tmp_path, RECORDS, [rating("a", is_helpful=True)], run_manifest=manifest())
    run = read_run(tmp_path)
    assert run.records == RECORDS
    assert [row.record for row in run.ratings] == ["a"]
    assert (run.comparisons, run.warnings) == ([], [])
    assert run.manifest == manifest()


def test_manifest_and_ratings_are_optional(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    (tmp_path / RATINGS_FILE).touch()
    run = read_run(tmp_path)
    assert (run.manifest, run.ratings) == (None, [])


def test_skips_the_last_line_of_a_killed_run_with_a_warning(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    path = tmp_path / RECORDS_FILE
    path.write_text(path.read_text()[:-20])
    run = read_run(tmp_path)
    assert [row.id for row in run.records] == ["a"]
    [warning] = run.warnings
    assert "the last line is cut off, so 1 row is skipped" in warning


def test_a_last_line_without_a_line_feed_is_complete(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    path = tmp_path / RECORDS_FILE
    path.write_text(path.read_text().rstrip("\n"))
    run = read_run(tmp_path)
    assert (run.records, run.warnings) == (RECORDS, [])


def test_a_broken_line_elsewhere_is_an_error(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    path = tmp_path / RECORDS_FILE
    path.write_text('{"id": "c"\n' + path.read_text())
    with pytest.raises(InputError, match="line 1: not JSON"):
        read_run(tmp_path)


def test_mixed_schema_versions_are_an_error(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    path = tmp_path / RECORDS_FILE
    newer = json.loads(path.read_text().splitlines()[0]) | {"schema_version": 2, "id": "c"}
    path.write_text(path.read_text() + json.dumps(newer) + "\n")
    with pytest.raises(InputError, match=r"line 3: schema_version 2, but .* reads 1"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "\n", '{"id": "cut'])
def test_a_file_without_records_is_an_error(tmp_path: Path, text: str):
    (tmp_path / RECORDS_FILE).write_text(text)
    with pytest.raises(InputError, match="has no records"):
        read_run(tmp_path)


def test_names_the_file_that_is_missing(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no records\.jsonl"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_run(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"is a file\. Pass the folder"):
        read_run(tmp_path / "file")


def test_an_invalid_manifest_is_an_error(tmp_path: Path):
    write_run(tmp_path, RECORDS)
    (tmp_path / MANIFEST_FILE).write_text("{")
    with pytest.raises(InputError, match="not a valid manifest"):
        read_run(tmp_path)


def test_reads_ratings_with_what_is_beside_them(tmp_path: Path):
    write_run(tmp_path, RECORDS, [rating("a", is_helpful=True)])
    assert read_beside(tmp_path / RATINGS_FILE).records == RECORDS
    alone = tmp_path / "alone" / "labels.jsonl"
    alone.parent.mkdir()
    alone.write_text((tmp_path / RATINGS_FILE).read_text())
    assert read_beside(alone).records == []
