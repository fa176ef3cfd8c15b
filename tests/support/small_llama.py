"""A random two-layer Llama with a chat template, and records of sums to train it on."""

import random
from pathlib import Path
from typing import Any

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample
from selfcritic.agent.tasks import Addition
from selfcritic.prompts import load

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
INSTALL = "needs torch, transformers and trl: make train-tools"


def save_small_llama(
    folder: Path, *, chat_template: str | None = CHAT_TEMPLATE, seed: int = 0
) -> Path:
    """Save a model whose tokenizer was trained on the prompts of sums."""
    import torch
    import transformers

    tokenizer = train_tokenizer(chat_template)
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train_tokenizer(chat_template: str | None = CHAT_TEMPLATE) -> Any:
    """Return a small byte-level BPE tokenizer."""
    import tokenizers
    import transformers

    rng = random.Random(0)
    texts = []
    for _ in range(30):
        task = Addition.generate(rng, 3)
        for name, data in (
            ("classify", {"answer": task.solution()}),
            ("critique", {"answer": task.solution()}),
            ("helpfulness", {"answer": task.solution(), "critique": "```\n1\n```\nIt is 2."}),
        ):
            [message] = load("plain").render(name, "question", question=task.question, **data)
            texts.append(f"{message.text}\nYes No Yes No")
        texts += [
            flaw.comment.text for flaw in task.flaws(task.inject_flaw(task.solution(), rng).answer)
        ]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=SPECIAL[0], eos_token=SPECIAL[2]
    )
    wrapped.chat_template = chat_template
    return wrapped


def flawed_sums(count: int = 20, seed: int = 0) -> list[AnswerRecord]:
    """Return records of sums with known bugs, and a person's comments; every fifth is right."""
    rng = random.Random(seed)
    records = []
    for number in range(count):
        task = Addition.generate(rng, 3)
        answer = task.solution()
        if number % 5:
            answer = task.inject_flaw(answer, rng).answer
        bugs = []
        for index, flaw in enumerate(task.flaws(answer), 1):
            comment = flaw.comment
            bug = Bug(
                id=f"{flaw.kind}-{index}",
                description=comment.text,
                quote=comment.quote,
                start=comment.start,
                end=comment.end,
            )
            bugs.append(bug)
        critiques: list[CritiqueSample] = []
        for comment in [
            *(flaw.comment for flaw in task.flaws(answer)),
            task.false_comment(answer, rng),
        ]:
            name = f"person-{len(critiques) + 1}"
            text = render([comment])
            critiques.append(
                CritiqueSample(id=name, critic="person", text=text, comments=[comment])
            )
        record = AnswerRecord(
            id=f"sum-{number}",
            task=task.id,
            question=task.question,
            answer=answer,
            origin="inserted" if bugs else "clean",
            task_type="addition",
            is_correct=not bugs,
            bugs=bugs,
            critiques=critiques if bugs else [],
            split=("train", "train", "train", "dev", "test")[number % 10 // 2],
            metadata={"original": task.solution()},
        )
        records.append(record)
    return records
