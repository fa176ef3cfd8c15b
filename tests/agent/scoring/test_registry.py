"""Check scorers by name, without the extra `train`."""

from pathlib import Path

import pytest

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.folder import FolderInfo, write_info
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.scoring.registry import check_scorers
from selfcritic.graphs import create_review, create_self_critique
from selfcritic.graphs.middleware import SelfCritiqueMiddleware

MISSING = r"`scorer` \(--scorer\): There is no reward model in 'missing'"


def rate_equally(question: str, draft: str, critiques: object) -> list[float]:
    return [1.0]


def test_scorers_without_files_are_accepted():
    weights = {"helpfulness": 1.0, "evidence": 0.5, rate_equally: 1.0}
    check_scorers(Context(scorer=weights))
    check_scorers(Context(scorer="reward-server:http://127.0.0.1:1/score"))


def test_every_weighted_scorer_is_checked():
    with pytest.raises(InputError, match=MISSING):
        check_scorers(Context(scorer={"helpfulness": 1.0, "reward:missing": 1.0}))


def test_a_folder_of_a_language_model_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    write_info(tmp_path, FolderInfo(kind="model"))
    with pytest.raises(InputError, match=r"is not a reward model: .* has kind='model'"):
        check_scorers(Context(scorer=f"reward:{tmp_path}"))


def test_an_address_without_an_endpoint_is_refused():
    with pytest.raises(InputError, match=r"HOST:PORT/score or …/classify, not 'http://x'"):
        check_scorers(Context(scorer="reward-server:http://x"))


def test_a_graph_checks_its_scorer_before_the_first_request():
    model = ScriptedModel(script={"generate": ["4"], "critique": ["No flaws."]})
    options = {"model": model, "scorer": "reward:missing"}
    with pytest.raises(InputError, match=MISSING):
        create_self_critique(**options).compile().invoke({"question": "What is 2 + 2?"})
    with pytest.raises(InputError, match=MISSING):
        create_review(**options).compile().invoke({"question": "What is 2 + 2?", "answer": "4"})
    assert not model.requests


def test_the_middleware_checks_its_scorer_when_it_is_created():
    with pytest.raises(InputError, match=MISSING):
        SelfCritiqueMiddleware(scorer="reward:missing")
