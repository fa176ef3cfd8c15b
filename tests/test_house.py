"""The house rules that can be checked: arrows one way, packages as on disk, public names, lazy imports."""

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("agent", "graphs", "prompts")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at its top or within."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_used(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("selfcritic.")}


def test_arrows_run_one_way():
    allowed = {"prompts": {"prompts"}, "agent": {"prompts", "agent"}, "graphs": {"prompts", "agent", "graphs"}}
    for path in SOURCES:
        room = path.relative_to(ROOT).parts[0]
        assert rooms_used(path) <= allowed[room], path


def test_the_records_know_nobody():
    assert rooms_used(ROOT / "agent" / "schemas.py") == set()


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("models", {"nodes", "scoring", "run", "state", "training"}),
        ("training", {"nodes", "scoring", "run", "state", "context"}),
        ("tasks", {"models", "nodes", "scoring", "run", "state", "context"}),
        ("checkers", {"models", "nodes", "scoring", "run", "state", "context"}),
        ("scoring", {"nodes"}),
    ],
)
def test_arrows_within_agent(folder: str, forbidden: set[str]):
    for path in (ROOT / "agent" / folder).rglob("*.py"):
        used = {name.split(".")[2] for name in imports_of(path) if name.startswith("selfcritic.agent.")}
        assert not used & forbidden, path


def test_the_packages_listed_are_the_folders_on_disk():
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    assert sorted(PACKAGES) == sorted("selfcritic." + ".".join(folder.parts) for folder in folders)
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_the_type_checkers_links_point_at_the_rooms():
    for room in ROOMS:
        assert (ROOT / "typings" / "selfcritic" / room).resolve() == ROOT / room


@pytest.mark.parametrize(
    "package",
    [
        "selfcritic.agent",
        "selfcritic.graphs",
        "selfcritic.agent.tasks",
        "selfcritic.agent.checkers",
        "selfcritic.agent.sandbox",
    ],
)
def test_public_names_equal_all(package: str):
    module = importlib.import_module(package)
    names = {
        name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, type(ast))
    }
    assert names == set(module.__all__)
    assert list(module.__all__) == sorted(
        module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )


def test_importing_the_graphs_imports_nothing_heavy():
    code = "import selfcritic.graphs, sys, json; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert not {"litellm", "torch", "transformers", "openai", "typer"} & set(modules)


def test_langgraph_json_lists_graphs_that_load_without_a_checkpointer():
    listed = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert set(listed) == {path.stem for path in (ROOT / "graphs").glob("*.py") if "\ngraph = " in path.read_text()}
    for name, target in listed.items():
        module, _, attribute = target.partition(":")
        graph = getattr(importlib.import_module(module), attribute)
        assert graph.name == name
        assert graph.checkpointer is None


def test_tests_mirror_the_folders():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        assert folder == Path() or (ROOT / folder).is_dir(), path
