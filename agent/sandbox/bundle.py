"""Pack the modules of `inside` into programs that a new interpreter can run."""

import functools
import importlib.resources
import marshal
from types import CodeType

from selfcritic.agent.sandbox import inside

_LAUNCHER_MODULES = ("system_calls", "call_filter", "launcher")
_RUNNER_MODULES = (
    "system_calls",
    "codec",
    "remote",
    "proxy",
    "worker",
    "unittest_engine",
    "code_names",
    "importer",
    "engine",
    "pytest_engine",
    "supervisor",
)
_RUNNER = """
import marshal, sys

class Modules:
    codes = {codes!r}

    def find_spec(self, name, path=None, target=None):
        if name in self.codes:
            return type(sys.__spec__)(name, self)
        if {package!r}.startswith(name):
            return type(sys.__spec__)(name, self, is_package=True)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ in self.codes:
            exec(marshal.loads(self.codes[module.__name__]), vars(module))

sys.meta_path.insert(0, Modules())
from {package}.supervisor import main
main()
"""


@functools.cache
def launcher_modules() -> tuple[tuple[str, bytes], ...]:
    """Return names and compiled code of the launcher's modules, each after those that it imports."""
    return tuple((_full_name(name), _compile(name)) for name in _LAUNCHER_MODULES)


@functools.cache
def test_runner() -> CodeType:
    """Return the program that runs tests; `inside.supervisor` describes its stdin and stdout."""
    codes = {_full_name(name): _compile(name) for name in _RUNNER_MODULES}
    source = _RUNNER.format(codes=codes, package=inside.__name__)
    return compile(source, "<sandbox>", "exec", dont_inherit=True)


def _full_name(name: str) -> str:
    return f"{inside.__name__}.{name}"


def _compile(name: str) -> bytes:
    source = (importlib.resources.files(inside) / f"{name}.py").read_text("utf-8")
    return marshal.dumps(compile(source, f"<sandbox {name}>", "exec", dont_inherit=True))
