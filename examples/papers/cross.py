"""Let every model criticize and judge every model's answers (experiment 5)."""

from pathlib import Path

from examples.papers.abilities import to_pools, to_predictions
from examples.papers.models import TinyLanguageModel
from examples.papers.pools import SMALL_POOL_SIZE
from examples.papers.records import (
    RatedPools,
    critique_samples,
    first_answers,
    rate_pool,
    read_pools,
    select_records,
    take_share,
    to_answers,
)
from examples.papers.replies import judge_answers, write_critiques
from examples.papers.results import Result, to_result
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, write_records
from selfcritic.agent.evals.measures.discrimination import area_under_curve
from selfcritic.agent.evals.measures.intervals import mean
from selfcritic.agent.evals.measures.pools import best_of_n, best_of_n_rate


def make_cross_critiques(
    critic: TinyLanguageModel, author_pools: dict[str, Path], folder: Path, share: float = 1.0
) -> None:
    """Write the critic's verdicts on the first answers of each author, and critiques of the flawed ones."""
    records = []
    ratings = []
    for author, pools_folder in author_pools.items():
        natural = first_answers(select_records(read_pools(pools_folder), "test", "natural"))
        originals = [record for record, _ in take_share(natural, share)]
        answers = to_answers(originals)
        verdicts = judge_answers(critic.engine, answers)
        seed = critic.seed(f"cross {author}")
        flawed = [
            answer
            for record, answer in zip(originals, answers, strict=True)
            if not record.is_correct
        ]
        pools = iter(write_critiques(critic.engine, flawed, SMALL_POOL_SIZE, seed))
        for record, answer, p_critiqueable in zip(originals, answers, verdicts, strict=True):
            record.id = f"{record.task}/{author}"
            record.p_critiqueable = p_critiqueable
            record.critiques = []
            if not record.is_correct:
                record.critiques = critique_samples(next(pools), critic.name)
            record.metadata = {"author": author}
            records.append(record)
            ratings += rate_pool(record, answer)
    write_records(folder / RATINGS_FILE, ratings)
    write_records(folder / RECORDS_FILE, records)


def measure_cross(critic: TinyLanguageModel, folder: Path) -> list[Result]:
    """Measure the critic on each author's answers."""
    rated = read_pools(folder)
    results: list[Result] = []
    authors = dict.fromkeys(record.metadata["author"] for record, _ in rated)
    for author in authors:
        own = [pair for pair in rated if pair[0].metadata["author"] == author]
        flawed = [pair for pair in own if not pair[0].is_correct]
        estimates = {
            "one critique valid": best_of_n_rate(to_pools(flawed), 1),
            "best of 8 valid": best_of_n_rate(to_pools(flawed), SMALL_POOL_SIZE),
            "AUC": area_under_curve(to_predictions(own)),
        }
        for name, estimate in estimates.items():
            results.append(to_result("cross", critic.name, f"{author}: {name}", estimate))
    return results


def compare_critics(
    first: str, second: str, pools_by_critic: dict[str, RatedPools]
) -> list[Result]:
    """Return how much more often the second critic's critique of the same flawed answer is valid."""
    results = []
    for n, name in ((1, "one critique valid"), (SMALL_POOL_SIZE, "best of 8 valid")):
        values = [_validity(pools_by_critic[critic], n) for critic in (first, second)]
        differences = [values[1][key] - values[0][key] for key in values[0]]
        tasks = [key.split("/", maxsplit=1)[0] for key in values[0]]
        estimate = mean(differences, tasks)
        results.append(to_result("cross", second, f"{name}: {second} - {first}", estimate))
    return results


def _validity(rated: RatedPools, n: int) -> dict[str, float]:
    """Return the expected validity of the best of n critiques, by flawed answer."""
    flawed: RatedPools = [pair for pair in rated if not pair[0].is_correct]
    values = {}
    for (record, _), pool in zip(flawed, to_pools(flawed), strict=True):
        values[record.id] = best_of_n(pool.scores, pool.outcomes, n)
    return values
