"""Test how the options of `eval run` become a plan."""

from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.evals.judge import Judge
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.graphs.cli.eval.plan import Plan, build_plan
from selfcritic.graphs.cli.eval.run_options import (
    CriticOptions,
    DataOptions,
    RatingOptions,
    RunRequest,
    SamplingOptions,
)
from selfcritic.graphs.cli.options import BudgetOptions
from tests.support.eval_records import bug, record


def plan_of(
    name: ExperimentName, models: CriticOptions, records: Any = None, **options: Any
) -> Plan:
    judge = options.pop("judge", None)
    request = RunRequest(
        name,
        "alphabetize",
        Path("out"),
        models,
        SamplingOptions(**options),
        RatingOptions(judge),
        DataOptions(),
        BudgetOptions(),
    )
    return build_plan(request, records or load_answers("alphabetize", count=2, seed=0))


def test_a_seed_of_a_model_replaces_that_of_the_run():
    models = CriticOptions(critic=["simulated?seed=9", "simulated"])
    plan = plan_of("critic", models, seed=3, judge="simulated?seed=7")
    seeds = {name: context.seed for name, context in plan.contexts.items()}
    assert seeds == {"simulated?seed=9": 9, "simulated": 3}
    assert isinstance(plan.experiment.judge, Judge)
    assert plan.experiment.judge.context.seed == 7


def test_each_item_has_as_many_samples_as_epochs():
    plan = plan_of("self-critique", CriticOptions("simulated"), epochs=3)
    assert [item.epoch for item in plan.items] == [1, 2, 3] * 2
    assert len({item.id for item in plan.items}) == 6
    assert plan.manifest.options["epochs"] == 3


def test_default_options_are_those_of_earlier_versions():
    plan = plan_of("self-critique", CriticOptions("simulated"))
    assert {"epochs", "fsbs"}.isdisjoint(plan.manifest.options)


def test_fsbs_has_the_given_sizes():
    options = {"search": "fsbs", "fsbs": "3,1,2"}
    plan = plan_of("critic", CriticOptions("simulated"), **options)
    sizes = plan.contexts["simulated"].fsbs
    assert (sizes.n, sizes.k, sizes.d) == (3, 1, 2)
    assert plan.manifest.options["fsbs"] == "3,1,2"


@pytest.mark.parametrize(
    ("name", "split", "notice"),
    [
        ("frontier", "dev", "known bugs determine few of them"),
        ("frontier", "train", "1 of 3 items are in the split train"),
    ],
)
def test_notices_what_a_report_will_lack(name: ExperimentName, split: str, notice: str):
    fields = {"origin": "inserted", "bugs": [bug()]}
    records = [record("a", split="dev", **fields), record("b", split="test", **fields)]
    records.append(record("c", split=split, **fields))
    plan = plan_of(name, CriticOptions("simulated"), records)
    assert notice in " ".join(plan.notices)


def test_notices_that_a_critic_of_clean_answers_has_no_auc():
    assert "no AUC" in plan_of("critic", CriticOptions("simulated")).notices[0]
    assert plan_of("self-critique", CriticOptions("simulated")).notices == []
