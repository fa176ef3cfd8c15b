"""A random model goes through every stage, killed in each, and its artifacts load in the product."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.data.files import read_answers, read_comparisons, write_records
from selfcritic.agent.errors import InputError
from selfcritic.agent.models import load
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.reward_model import RewardModel
from selfcritic.graphs import create_review
from selfcritic.graphs.fsbs import create_fsbs
from tests.support.small_llama import flawed_sums, save_small_llama

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(
    requires_trl: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the results of a chain that was killed in every stage."""
    folder = tmp_path_factory.mktemp("trained")
    save_small_llama(folder / "base")
    write_records(folder / "records.jsonl", flawed_sums())
    command = [sys.executable, "-m", "tests.support.killed_training"]
    paths = [str(folder / name) for name in ("base", "records.jsonl", "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.run(
        [*command, *paths], capture_output=True, text=True, check=False, env=environment
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return folder / "out", json.loads(process.stdout.splitlines()[-1])


def test_resumes_in_every_stage_after_sigkill(trained):
    out, results = trained
    assert results["killed"] == [True] * 4
    for stage in ("sft", "samples", "reward", "policy"):
        assert (out / stage / "done.json").is_file()
    assert results["sft"]["last_loss"] < results["sft"]["first_loss"]
    state = json.loads((out / "sft/checkpoints/checkpoint-40/trainer_state.json").read_text())
    steps = [entry["step"] for entry in state["log_history"] if "loss" in entry]
    assert steps == list(range(1, 41))


def test_critiques_are_sampled_and_compared(trained):
    out, results = trained
    sampled = [record for record in read_answers(out / "samples/records.jsonl") if record.bugs]
    assert all(record.critiques[-1].id == "sft-3" for record in sampled)
    assert len(read_comparisons(out / "samples/comparisons.jsonl")) == len(sampled)
    assert results["samples"]["records"] == len(sampled)


def test_the_reward_report_has_its_baselines(trained):
    _, results = trained
    whole = results["reward"]["accuracy"][0]
    assert whole["kind"] == "all"
    assert whole["pairs"] == results["reward"]["test_pairs"]
    assert None not in (whole["model"][0], whole["untrained"][0])


def test_the_policy_logs_truth_beside_the_proxy(trained):
    out, results = trained
    rows = (out / "policy/curves.csv").read_text().splitlines()
    assert rows[0].startswith("step,split,reward,proxy,truth")
    assert results["policy"]["steps"] == 4
    assert (out / "policy/curves.png").stat().st_size > 10_000


def test_the_reward_folder_scores_as_in_training(trained):
    """The score is read at the same token in training and in use."""
    out, _ = trained
    from selfcritic.agent.training.base import open_base
    from selfcritic.agent.training.data import load_data
    from selfcritic.agent.training.encoding import encode_pairs, scored_text
    from selfcritic.agent.training.pairs import split_pairs
    from selfcritic.agent.training.reward import score_margins

    pairs = split_pairs(load_data(out / "samples"))["test"]
    reward = RewardModel(str(out / "reward/model"))
    base = open_base(str(out / "sft/model"))
    encoded = encode_pairs(base.chat, pairs, 400)
    in_training = score_margins(reward._load_once().model, base, encoded.rows)
    in_use = []
    for pair in pairs:
        texts = [
            scored_text(side.text, pair.record.answer) for side in (pair.chosen, pair.rejected)
        ]
        chosen, rejected = reward.score(pair.record.question, pair.record.answer, texts)
        in_use.append(chosen - rejected)
    assert in_use == pytest.approx(in_training, abs=1e-4)


def test_the_policy_and_the_reward_run_in_review_and_fsbs(trained):
    out, _ = trained
    record = next(record for record in flawed_sums() if record.bugs)
    options = {
        "model": f"hf:{out / 'policy/model'}?max_tokens=16&seed=1",
        "scorer": f"reward:{out / 'reward/model'}",
        "allow_ungrounded": True,
    }
    state = {"question": record.question, "answer": record.answer}
    reviewed = create_review(num_critiques=2, **options).compile().invoke(state)
    assert len(reviewed["rounds"][0].critiques) == 2
    assert reviewed["capabilities"]["critic"].n == "native"
    searched = create_fsbs(fsbs={"n": 2, "k": 1, "d": 2}, **options).compile().invoke(state)
    critiques = searched["rounds"][0].critiques
    assert critiques
    assert all(critique.text.startswith("```\n") for critique in critiques)
    assert searched["capabilities"]["critic"].prefill == "native"


def test_an_adapter_has_a_strength(trained):
    """Half of an adapter is neither the base nor the whole; the merged model is the whole."""
    out, _ = trained
    from selfcritic.agent.models.hugging_face.engine import SamplingOptions, get_engine

    def p_first(folder: Path, scale: float) -> float:
        engine = get_engine(str(folder))
        prompt = engine.chat.prompt_ids([{"role": "user", "content": "7 + 5?"}])
        options = SamplingOptions(max_tokens=1, temperature=0, with_logprobs=True, lora_scale=scale)
        [[sample]] = engine.sample([prompt], 1, options)
        best = {option["token"]: option["logprob"] for option in sample.logprobs[0]["top_logprobs"]}
        return best.get("No", max(best.values()))

    adapter = out / "lora/adapter"
    none, half, whole = (p_first(adapter, scale) for scale in (0, 0.5, 1))
    assert none == pytest.approx(p_first(out.parent / "base", 1), abs=1e-4)
    assert whole == pytest.approx(p_first(out / "lora/model", 1), abs=1e-4)
    assert len({round(value, 5) for value in (none, half, whole)}) == 3
    model = load(f"hf:{adapter}?lora_scale=0.5&max_tokens=2")
    assert model.engine is load(f"hf:{adapter}").engine


def test_token_rules_hold_in_samples_and_log_probs(trained):
    _, results = trained
    restricted = results["restricted"]
    assert restricted["absent"] > 0
    assert restricted["forbidden"] == 0
    assert restricted["difference"] < 1e-4


def test_the_start_is_kept_if_no_step_is_better(trained):
    out, results = trained
    assert results["restricted"]["best_step"] == 0
    kept = (out / "restricted/model/model.safetensors").read_bytes()
    assert kept == (out.parent / "base/model.safetensors").read_bytes()


def test_verdicts_are_read_from_logprobs(trained):
    out, _ = trained
    record = next(record for record in flawed_sums() if record.bugs)
    graph = create_review(
        critic=ScriptedModel(script={"critique": [record.critiques[0].text]}),
        judge=f"hf:{out / 'sft/model'}?max_tokens=8",
        num_critiques=1,
    ).compile()
    output = graph.invoke({"question": record.question, "answer": record.answer})
    [critique] = output["rounds"][0].critiques
    assert critique.judged_by == "logprobs"


def test_a_reward_folder_of_another_base_is_refused(trained, tmp_path: Path):
    out, _ = trained
    from selfcritic.agent.training.data import load_data
    from selfcritic.agent.training.pipeline import run_policy
    from selfcritic.agent.training.settings import PolicySettings

    other = save_small_llama(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match="was trained from another base"):
        run_policy(
            str(other),
            load_data(out / "samples"),
            str(out / "reward/model"),
            tmp_path / "out",
            PolicySettings(),
        )


def test_a_policy_with_too_few_prompts_can_be_rerun_with_other_options(trained, tmp_path: Path):
    """The error asks for other options, so none may be saved."""
    out, _ = trained
    from selfcritic.agent.training.data import load_data
    from selfcritic.agent.training.pipeline import run_policy
    from selfcritic.agent.training.settings import PolicySettings

    with pytest.raises(InputError, match="train prompts, but a step takes"):
        run_policy(
            str(out / "sft/model"),
            load_data(out / "samples"),
            str(out / "reward/model"),
            tmp_path / "policy",
            PolicySettings(batch_size=800),
        )
    assert not (tmp_path / "policy").exists()
