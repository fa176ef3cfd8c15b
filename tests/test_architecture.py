"""Test the project's structure: import direction, packages, public names and lazy imports."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "graphs", "prompts")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LISTED_PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

LAYERS = (
    (
        "agent.redaction",
        "agent.schemas",
        "agent.errors",
        "agent.addresses",
        "agent.protocols",
        "prompts",
        "agent.concurrency",
        "agent.sandbox",
    ),
    ("agent.critic",),
    ("agent.checkers",),
    ("agent.tasks",),
    ("agent.models",),
    ("agent.channels",),
    ("agent.state",),
    ("agent.messages",),
    ("agent.context",),
    ("agent.sampling",),
    ("agent.step", "agent.stopping"),
    ("agent.scoring",),
    ("agent.nodes",),
    ("agent",),
    ("graphs",),
    ("graphs.desk",),
    ("graphs.cli",),
)
"""A module may import from its own layer and from earlier layers. A longer name takes precedence over its prefix."""

BASE = LAYERS[0]
RESEARCH_PACKAGES = {
    "agent.data": (*BASE, "agent.critic", "agent.checkers", "agent.tasks"),
    "agent.evals": (
        *BASE,
        "agent.critic",
        "agent.checkers",
        "agent.tasks",
        "agent.models",
        "agent.context",
        "agent.sampling",
        "agent.state",
        "agent.stopping",
        "agent.data",
    ),
    "agent.training": (
        *BASE,
        "agent.critic",
        "agent.tasks",
        "agent.models.hugging_face",
        "agent.models.tiny",
        "agent.sampling",
        "agent.scoring.reward_model",
        "agent.scoring.reward_text",
        "agent.data",
        "agent.evals",
    ),
}
"""Packages outside the layers, and what each may import; see `RESEARCH_USERS` for who may import them."""

RESEARCH_USERS = {
    "agent.data": ("graphs", "graphs.desk", "graphs.cli"),
    "agent.evals": ("graphs.desk", "graphs.cli"),
    "agent.training": ("graphs.cli",),
}

LAYER_INDEX = {name: index for index, layer in enumerate(LAYERS) for name in layer}


def module_name(path: Path) -> str:
    """Return the module's name without `selfcritic.`, such as `agent.models.base`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


MODULES = {module_name(path) for path in SOURCES}


def as_module(dotted_name: str) -> str:
    """Drop trailing attributes of a dotted name until it names a module of this project."""
    name = dotted_name.removeprefix("selfcritic.")
    while name not in MODULES and "." in name:
        name = name.rpartition(".")[0]
    return name


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield every dotted name that a module imports, including nested imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "use absolute imports"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def quoted_names(tree: ast.Module) -> Iterator[str]:
    """Yield the project's dotted names in string literals, except docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_literal and id(node) not in docstrings:
            yield from re.findall(r"\bselfcritic(?:\.(?!json\b)\w+)+", node.value)


def imports_of(path: Path) -> set[str]:
    """Return the modules of this project that a file imports or names in a string."""
    tree = ast.parse(path.read_text())
    names = [*imported_names(tree), *quoted_names(tree)]
    return {as_module(name) for name in names if name.startswith("selfcritic.")}


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def group_of(module: str) -> str:
    """Return the longest layer or research package name that contains the module."""
    groups = [name for name in (*LAYER_INDEX, *RESEARCH_PACKAGES) if is_within(module, name)]
    return max(groups, key=len)


def may_import(importer: str, imported: str) -> bool:
    importing_group, imported_group = group_of(importer), group_of(imported)
    if importing_group == imported_group:
        return True
    if importing_group in RESEARCH_PACKAGES:
        return any(is_within(imported, name) for name in RESEARCH_PACKAGES[importing_group])
    if imported_group in RESEARCH_PACKAGES:
        return importing_group in RESEARCH_USERS[imported_group]
    return LAYER_INDEX[imported_group] <= LAYER_INDEX[importing_group]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_module_imports_only_from_its_own_and_earlier_layers(path: Path):
    importer = module_name(path)
    violations = [imported for imported in imports_of(path) if not may_import(importer, imported)]
    assert not violations, f"{importer} must not import {', '.join(violations)}"


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("agent.schemas", "agent.critic.format"),
        ("agent.tasks.base", "agent.models.base"),
        ("agent.checkers.unit_tests", "agent.tasks"),
        ("agent.nodes.select", "agent"),
        ("agent.models.tiny.model", "agent.training.tiny.trainer"),
        ("agent.training.tiny.trainer", "agent.models.litellm"),
        ("agent.training.tiny.trainer", "agent.scoring.score"),
        ("agent.training.tiny.trainer", "agent.step"),
        ("graphs.runtime", "graphs.cli.console"),
        ("graphs.self_critique", "agent.training.tiny.trainer"),
    ],
)
def test_import_rule_rejects_an_import_from_a_later_layer(importer: str, imported: str):
    assert not may_import(importer, imported)


def test_import_rule_sees_nested_and_quoted_imports(tmp_path: Path):
    source = tmp_path / "module.py"
    source.write_text(
        '"""Works like selfcritic.graphs.fsbs."""\n'
        "from typing import TYPE_CHECKING\n"
        "CHECKER = 'selfcritic.agent.checkers.python:lint'\n"
        "if TYPE_CHECKING:\n"
        "    from selfcritic.agent import Step\n"
        "def load() -> object:\n"
        "    from selfcritic.agent.models import base\n"
        "    return base\n"
    )
    assert imports_of(source) == {"agent.checkers.python", "agent", "agent.models.base"}


@pytest.mark.parametrize(
    "package",
    ["agent.schemas", "agent.redaction", "agent.concurrency", "agent.sandbox", "prompts"],
)
def test_base_package_imports_nothing_else_from_the_project(package: str):
    for path in SOURCES:
        if is_within(module_name(path), package):
            assert all(is_within(imported, package) for imported in imports_of(path)), path


def test_listed_packages_match_the_folders_on_disk():
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    names = ["selfcritic." + ".".join(folder.parts) for folder in folders]
    assert sorted(LISTED_PACKAGES) == sorted([*names, "selfcritic"])
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_typings_link_to_the_packages():
    links = ROOT / "typings" / "selfcritic"
    for package in PACKAGES:
        assert (links / package).resolve() == ROOT / package
    assert (links / "__init__.py").resolve() == ROOT / "selfcritic" / "__init__.py"


def sort_key(name: str) -> tuple[bool, bool, str]:
    """Sort constants first, then classes, then functions."""
    return not name.isupper(), name[0].islower(), name


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
    module_type = type(ast)
    names = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, module_type)
    }
    assert names == set(module.__all__)
    assert list(module.__all__) == sorted(module.__all__, key=sort_key)


def test_importing_graphs_imports_no_heavy_library():
    code = "import selfcritic.graphs, sys, json; print(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = json.loads(process.stdout)
    assert not {"litellm", "torch", "transformers", "openai", "typer"} & set(modules)


def test_langgraph_json_lists_every_graph_without_a_checkpointer():
    targets = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert set(targets) == {
        path.stem for path in (ROOT / "graphs").glob("*.py") if "\ngraph = " in path.read_text()
    }
    for name, target in targets.items():
        module, _, attribute = target.partition(":")
        graph = getattr(importlib.import_module(module), attribute)
        assert graph.name == name
        assert graph.checkpointer is None


def test_test_folders_mirror_the_packages():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        assert folder in (Path(), Path("fuzz")) or (ROOT / folder).is_dir(), path
