"""Options of `selfcritic data`: which files are read, and where the result is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from selfcritic.agent.data.comparisons import add_gold_critique
from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    read_answers,
    read_comparisons,
    read_ratings,
)
from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating
from selfcritic.agent.errors import InputError

SplitName = Literal["train", "dev", "test"]
Rated = TypeVar("Rated", Rating, Comparison)


@dataclass(frozen=True)
class SourceOptions:
    """Which records, ratings and comparisons are used."""

    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder of a run or a desk's export, or a file of records."
        ),
    ]
    ratings: Annotated[
        Path | None,
        typer.Option(help="Ratings (default: ratings.jsonl in DIR).", metavar="FILE"),
    ] = None
    comparisons: Annotated[
        Path | None,
        typer.Option(help="Comparisons (default: comparisons.jsonl in DIR).", metavar="FILE"),
    ] = None
    rater: Annotated[str | None, typer.Option(help="Use this rater only.", metavar="NAME")] = None
    split: Annotated[SplitName | None, typer.Option(help="Use the records of this split only.")] = (
        None
    )
    seed: Annotated[int, typer.Option(help="Random seed.", metavar="N")] = 0

    @property
    def folder(self) -> Path:
        """The folder of all files that no option names."""
        return self.source if self.source.is_dir() else self.source.parent

    def read_records(self) -> list[AnswerRecord]:
        """Return the records of the split, with gold critiques.

        Raises:
            InputError: The file is missing or invalid, or the split is empty.
        """
        path = self.source / RECORDS_FILE if self.source.is_dir() else self.source
        records = read_answers(path)
        if self.split is not None:
            records = [record for record in records if record.split == self.split]
        if not records:
            raise InputError(f"--split {self.split}: {path} has no record of this split.")
        return [add_gold_critique(record) for record in records]

    def read_ratings(self, records: Sequence[AnswerRecord]) -> list[Rating]:
        """Return the ratings of the records. Raises InputError if there are none."""
        path = self.ratings or self.folder / RATINGS_FILE
        if not path.exists():
            raise InputError(f"{path} does not exist. Pass --ratings FILE.")
        return self._select(path, read_ratings(path), records)

    def read_comparisons(self, records: Sequence[AnswerRecord]) -> list[Comparison]:
        """Return the comparisons of the records. Raises InputError if there are none."""
        path = self.comparisons or self.folder / COMPARISONS_FILE
        if not path.exists():
            raise InputError(
                f"{path} does not exist. Run `selfcritic data compare {self.source}` first, or pass "
                "--comparisons FILE."
            )
        return self._select(path, read_comparisons(path), records)

    def _select(
        self, path: Path, rows: Sequence[Rated], records: Sequence[AnswerRecord]
    ) -> list[Rated]:
        """Return the rows of the rater and of the split."""
        raters = sorted({row.rater for row in rows})
        if self.rater is not None and self.rater not in raters:
            raise InputError(
                f"--rater: '{self.rater}' is not in {path}. It has {', '.join(raters)}."
            )
        names = {record.id for record in records}
        selected = []
        for row in rows:
            is_in_split = self.split is None or row.record in names
            if is_in_split and self.rater in (None, row.rater):
                selected.append(row)
        if not selected:
            raise InputError(
                f"{path} has no rows about the records. Pass another --split or --rater."
            )
        return selected


@dataclass(frozen=True)
class OutputOptions:
    """Where the result is written."""

    out: Annotated[Path, typer.Option(help="File to write.", metavar="FILE")]
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False

    def check(self) -> None:
        """Raise InputError if a file would be replaced."""
        check_new(self.out, self.force)


def check_new(path: Path, force: bool) -> None:
    """Raise InputError if a file would be replaced without --force."""
    if path.exists() and not force:
        raise InputError(f"{path} exists. Pass another --out, or --force to replace it.")
