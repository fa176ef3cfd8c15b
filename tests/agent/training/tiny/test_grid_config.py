"""Tests of the grid's TOML file."""

from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.tiny.grid_config import GridConfig, load_grid

ROOT = Path(__file__).parents[4]
VALID = 'tasks = ["addition"]\nsizes = ["small"]\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_reads_the_example():
    config = load_grid(ROOT / "examples" / "training" / "grid.toml")
    assert len(config.tasks) == 4
    assert len(config.sizes) == 5
    assert config.tokens >= 100_000_000
    assert list(config.sizes_of("addition")) == [1, 2, 3, 4, 5, 6]
    assert config.learning_rate_of("xxlarge") < config.learning_rate_of("small")


def test_reads_the_small_example():
    config = load_grid(ROOT / "examples" / "training" / "small_grid.toml")
    assert config.num_processes == 1
    assert set(config.task_sizes) == set(config.tasks)


def test_uses_the_default_sizes_of_a_task(tmp_path: Path):
    config = load_grid(write(tmp_path, VALID))
    assert list(config.sizes_of("addition")) == [1, 2, 3, 4]
    assert config.num_processes >= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks = [", "cannot be read as TOML"),
        ('sizes = ["small"]', "`tasks`: Field required"),
        ("workers = 2\n" + VALID, "`workers`: is unknown: remove it, or use one of tasks, sizes"),
        (VALID.replace("addition", "chess"), "'chess' is unknown: choose from alphabetize, add"),
        (VALID.replace("small", "huge"), "'huge' is unknown: choose from test, small"),
        ("seeds = []\n" + VALID, "`seeds`: is empty: list at least one entry"),
        (VALID.replace("small", "huge"), "^((?!validation).)*$"),
        ("seeds = [1, 1]\n" + VALID, r"`seeds`: \[1, 1\] has repeated entries"),
        ("tokens = 5\n" + VALID, "`tokens`: Input should be greater than or equal to 10000"),
        (VALID + "[task_sizes]\naddition = [3, 99]", r"`task_sizes.addition`: .* not \[3, 99\]"),
        (VALID + "[learning_rates]\nhuge = 1.0", "'huge' is unknown"),
        (VALID + "[learning_rates]\nsmall = 0.0", "should be greater than 0"),
    ],
)
def test_explains_what_is_wrong(text: str, message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        load_grid(write(tmp_path, text))


def test_names_a_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"--grid: .*missing\.toml' cannot be read"):
        load_grid(tmp_path / "missing.toml")


def test_training_options_leave_out_the_machine():
    config = GridConfig(tasks=("addition",), sizes=("small",), processes=3)
    other = GridConfig(tasks=("addition",), sizes=("small",), processes=5, peak_tflops=1.0)
    assert config.training_options() == other.training_options()
    slower = GridConfig(tasks=("addition",), sizes=("small",), learning_rate=1e-3)
    assert config.training_options() != slower.training_options()
