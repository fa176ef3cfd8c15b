"""The exported rows train with TRL's trainers, which read them in a process of their own."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from selfcritic.agent.data import exports
from selfcritic.agent.data.comparisons import create_comparisons
from selfcritic.agent.data.preference_pairs import create_pairs
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating, RatingForm
from tests.support.small_llama import INSTALL

PROGRAM = """
import json, sys
from pathlib import Path
import transformers, trl
from datasets import Dataset
from tests.support.small_llama import save_small_llama

folder = Path(sys.argv[1])
rows = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
model = str(save_small_llama(folder / "model"))
tokenizer = transformers.AutoTokenizer.from_pretrained(model)
options = {"output_dir": str(folder / "out"), "max_steps": 1, "per_device_train_batch_size": 2, "use_cpu": True,
           "bf16": False, "gradient_checkpointing": False, "report_to": [], "disable_tqdm": True}
pairs = Dataset.from_list(rows["preference"])
reward_model = transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
trainer = trl.RewardTrainer(
    reward_model, trl.RewardConfig(**options), train_dataset=pairs, processing_class=tokenizer
)
losses = {"reward": trainer.train().training_loss}
trainer = trl.KTOTrainer(
    model, args=trl.KTOConfig(**options), train_dataset=Dataset.from_list(rows["unpaired"]), processing_class=tokenizer
)
losses["kto"] = trainer.train().training_loss

def reward(completions, **columns):
    return [float(len(completion[0]["content"])) for completion in completions]

config = trl.GRPOConfig(**options, num_generations=2, max_completion_length=4)
trainer = trl.GRPOTrainer(
    model, reward, config, train_dataset=Dataset.from_list(rows["prompt_only"]), processing_class=tokenizer
)
losses["grpo"] = trainer.train().training_loss
print(json.dumps(losses))
"""


@pytest.mark.slow
def test_trl_trains_on_the_exported_rows(tmp_path: Path):
    if not all(map(find_spec, ("torch", "transformers", "trl"))):
        pytest.skip(INSTALL)
    critiques = [
        CritiqueSample(id=name, critic=name, text=f"```\n7\n```\nIt is {name}.") for name in "ab"
    ]
    record = AnswerRecord(id="1", task="1", question="3 + 5?", answer="7", critiques=critiques)
    [comparison] = create_comparisons([record], "ann")
    comparison.forms = [RatingForm(overall=2), RatingForm(overall=6)]
    ratings = [
        Rating(record="1", critique=name, rater="ann", rater_type="human", is_helpful=name == "a")
        for name in "ab"
    ]
    rows = {
        "preference": exports.to_preference(create_pairs([record], [comparison])) * 2,
        "unpaired": exports.to_unpaired([record], ratings),
        "prompt_only": exports.to_prompt_only([record]) * 2,
    }
    for name, items in rows.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(items))
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], check=False, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    losses = json.loads(finished.stdout.splitlines()[-1])
    assert set(losses) == {"reward", "kto", "grpo"}
    assert losses["reward"] > 0
    assert losses["kto"] > 0
