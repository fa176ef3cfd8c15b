"""Prompts in other languages: cues, labels, retry message and the Chinese set."""

from pathlib import Path
from typing import Any

import pytest

from selfcritic import prompts
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_review, create_self_critique
from selfcritic.prompts import LABELS, PromptError, parse_prompt

GERMAN = """variables: context, question

$context

$question

Beantworte die Frage in einem Satz.

Antwort:
"""
GERMAN_LABELS = """context: Kontext:
question: Frage:
answer: Antwort:
findings: Befunde:
critique: Kritik:
"""


def write_files(folder: Path, **texts: str) -> str:
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_prompt_may_end_with_a_cue_in_another_language(tmp_path: Path):
    loaded = prompts.load("default", write_files(tmp_path, generate=GERMAN))
    messages = loaded.render("generate", question="Wie hoch ist die Zugspitze?")
    assert messages[-1].text == (
        "Question:\n```\nWie hoch ist die Zugspitze?\n```\n\nBeantworte die Frage in einem Satz.\n\nAntwort:"
    )
    parsed = parse_prompt(messages)
    assert parsed.name == "generate"
    assert parsed.data == {"question": "Wie hoch ist die Zugspitze?"}


def test_labels_name_the_sections_in_another_language(tmp_path: Path):
    folder = write_files(tmp_path, generate=GERMAN, labels=GERMAN_LABELS)
    messages = prompts.load("default", folder).render("generate", context="Berge", question="Wo?")
    assert messages[-1].text.startswith("Kontext:\n```\nBerge\n```\n\nFrage:\n```\nWo?\n```\n\n")
    assert parse_prompt(messages).data == {"context": "Berge", "question": "Wo?"}


def test_a_run_with_german_prompts_finds_its_script(tmp_path: Path):
    folder = write_files(tmp_path, generate=GERMAN, labels=GERMAN_LABELS)
    model = ScriptedModel(script={"generate": ["2.962 Meter."], "classify": [0.1]})
    graph = create_self_critique(model=model, prompt_dir=folder).compile()
    output = graph.invoke({"question": "Wie hoch ist die Zugspitze?"})
    assert output["answer"] == "2.962 Meter."
    assert output["stop_reason"] == "accepted"
    assert "Antwort:\n```\n2.962 Meter.\n```" in model.requests[1][-1].text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (GERMAN_LABELS.replace("question", "frage"), "'frage: Frage:' must be 'variable: label'"),
        (GERMAN_LABELS.replace("question:", "question："), "must be 'variable: label'"),
        (GERMAN_LABELS.replace("Frage:", ""), "'question:' must be 'variable: label'"),
        (GERMAN_LABELS.replace("Frage:", "```"), "must be 'variable: label'"),
        (GERMAN_LABELS.replace("question: Frage:\n", ""), r"no label for question\. Add the line"),
        (GERMAN_LABELS.replace("Frage:", "Antwort:"), "'answer: Antwort:' repeats"),
        (GERMAN_LABELS + "question: Frage:\n", "'question: Frage:' repeats"),
        ("", "no label for context, question, answer, findings, critique"),
    ],
)
def test_rejects_invalid_labels_with_a_clear_message(tmp_path: Path, labels: str, message: str):
    with pytest.raises(PromptError, match=message):
        prompts.load("default", write_files(tmp_path, labels=labels))


def test_rejects_a_file_that_is_not_utf8(tmp_path: Path):
    (tmp_path / "generate.md").write_bytes(GERMAN.replace("Satz", "Sätzchen").encode("cp1252"))
    with pytest.raises(PromptError, match=r"generate\.md is not UTF-8 text\. Save it with"):
        prompts.load("default", str(tmp_path))


def test_accepts_a_byte_order_mark_and_windows_line_ends(tmp_path: Path):
    text = GERMAN.replace("\n", "\r\n")
    (tmp_path / "generate.md").write_bytes(b"\xef\xbb\xbf" + text.encode())
    messages = prompts.load("default", str(tmp_path)).render("generate", question="Wo?")
    assert messages[-1].text.endswith("Beantworte die Frage in einem Satz.\n\nAntwort:")


@pytest.mark.parametrize("prompt_set", ["default", "plain", "tiny"])
def test_sets_share_the_default_retry_message(prompt_set: str):
    assert prompts.load(prompt_set).retry_verdict == "Reply with exactly one word: Yes or No."


def test_a_folder_replaces_the_retry_message(tmp_path: Path):
    folder = write_files(tmp_path, retry_verdict="Antworte nur mit Ja oder Nein.\n")
    assert prompts.load("plain", folder).retry_verdict == "Antworte nur mit Ja oder Nein."


@pytest.mark.parametrize(
    ("text", "message"),
    [(" \n", "is empty"), ("variables: question\n\nJa oder Nein?", "takes no variables")],
)
def test_rejects_an_invalid_retry_message(tmp_path: Path, text: str, message: str):
    with pytest.raises(PromptError, match=f"retry_verdict.md {message}"):
        prompts.load("default", write_files(tmp_path, retry_verdict=text))


def test_every_label_of_the_chinese_set_is_translated():
    chinese = prompts.load("zh")
    assert not set(chinese.labels.values()) & set(LABELS.values())
    assert chinese.retry_verdict == "请只回复一个字：是或否。"
    assert set(chinese.systems) == set(prompts.load().systems)


CHINESE_QUESTION = "法国的首都是哪里？位于哪条河上？"
CHINESE_DRAFT = "法国的首都是里昂，位于塞纳河上。"
CHINESE_ANSWER = "法国的首都是巴黎，位于塞纳河上。"
CHINESE_CRITIQUE = "```\n法国的首都是里昂\n```\n[高] 法国的首都是巴黎。请把“里昂”改为“巴黎”。"


def run_in_chinese(script: dict[Any, Any]) -> tuple[dict[str, Any], ScriptedModel]:
    model = ScriptedModel(script=script)
    graph = create_self_critique(model=model, prompts="zh", num_critiques=1, num_votes=1).compile()
    return graph.invoke({"question": CHINESE_QUESTION}), model


def test_the_loop_understands_chinese_verdicts_and_critiques():
    output, model = run_in_chinese(
        {
            "generate": [CHINESE_DRAFT],
            "classify": ["是", "否"],
            "critique": [CHINESE_CRITIQUE],
            "helpfulness": ["是"],
            "refine": [CHINESE_ANSWER],
        }
    )
    assert output["answer"] == CHINESE_ANSWER
    assert output["stop_reason"] == "accepted"
    first_round = output["rounds"][0]
    assert [round_.p_critiqueable for round_ in output["rounds"]] == [1.0, 0.0]
    [critique] = first_round.critiques
    assert critique.helpfulness == 1.0
    assert [comment.quote for comment in critique.comments] == ["法国的首都是里昂"]
    sent = [parse_prompt(messages).name for messages in model.requests]
    assert sent == ["generate", "classify", "critique", "helpfulness", "refine", "classify"]


def test_the_loop_accepts_a_draft_that_a_chinese_judge_finds_correct():
    output, _ = run_in_chinese({"generate": [CHINESE_ANSWER], "classify": ["否。"]})
    assert output["stop_reason"] == "accepted"
    assert output["usage"].calls == 2


def test_a_review_with_the_chinese_set_sends_no_english_words():
    model = ScriptedModel(script={"critique": [CHINESE_CRITIQUE], "helpfulness": ["是"]})
    graph = create_review(model=model, prompts="zh", num_critiques=1, num_votes=1).compile()
    graph.invoke({"question": CHINESE_QUESTION, "answer": CHINESE_DRAFT, "context": "背景资料"})
    for messages in model.requests:
        text = "".join(message.text for message in messages)
        text = text.replace("[high]", "")  # severities are rendered in English
        assert not any(character.isascii() and character.isalpha() for character in text)


def test_the_loop_asks_again_in_chinese_for_an_unreadable_verdict():
    output, model = run_in_chinese(
        {"generate": [CHINESE_ANSWER], "classify": ["这个问题很难判断", "否"]}
    )
    assert output["stop_reason"] == "accepted"
    assert [message.text for message in model.requests[-1][-2:]] == [
        "这个问题很难判断",
        "请只回复一个字：是或否。",
    ]
