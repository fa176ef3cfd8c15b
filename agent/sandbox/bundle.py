"""Pack trusted modules into bytes that a new interpreter can run."""

import functools
import importlib.resources
import marshal

from selfcritic.agent.sandbox import inside

_PREFIX = f"{inside.__name__}."


@functools.cache
def compile_modules(*names: str) -> tuple[tuple[str, bytes], ...]:
    """Compile modules of `inside`, each after those that it imports."""
    modules = []
    for name in names:
        source = (importlib.resources.files(inside) / f"{name}.py").read_text("utf-8")
        code = compile(source, f"<sandbox {name}>", "exec", dont_inherit=True)
        modules.append((_PREFIX + name, marshal.dumps(code)))
    return tuple(modules)
