"""Decide whether tests can run in a process separate from the code.

There, objects of the code are proxies. Tests are separable only if they use nothing but what is known to work with
proxies. All other tests run beside the code.
"""

import ast
import builtins
from collections.abc import Callable, Sequence

from selfcritic.agent.checkers.suite_names import PURE_MODULES, is_installed

SEPARABLE_FIXTURES = {"tmp_path", "request", "capsys"}

_SAFE_NAMES_BY_MODULE = {
    "collections": {"Counter", "OrderedDict", "defaultdict"},
    "copy": {"copy", "deepcopy"},
    "decimal": {"Decimal", "DivisionByZero", "InvalidOperation", "ROUND_HALF_EVEN", "ROUND_HALF_UP"},
    "functools": {"cmp_to_key", "partial", "reduce"},
    "json": {"JSONDecodeError", "loads"},
    "pytest": {"approx", "fail", "fixture", "mark", "param", "raises", "skip", "xfail"},
    "typing": {
        *("Any", "Callable", "Dict", "FrozenSet", "Iterable", "Iterator", "List", "Literal", "Mapping", "Optional"),
        *("Sequence", "Set", "Tuple", "TypeVar", "Union", "cast"),
    },
    "unittest": {"SkipTest", "TestCase", "expectedFailure", "main", "skip", "skipIf", "skipUnless"},
}  # fmt: skip
"""Safe names of modules; of the other pure modules, all names are safe."""

_BUILTINS = {name for name in vars(builtins) if not name.startswith("_")}
_ERRORS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
_DATA_TYPES = {
    *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set"),
    *("str", "tuple"),
}  # fmt: skip
_SAFE_BUILTINS = {
    *_ERRORS,
    *_DATA_TYPES,
    *("Ellipsis", "NotImplemented", "abs", "all", "any", "ascii", "bin", "callable", "chr", "classmethod", "divmod"),
    *("enumerate", "filter", "format", "getattr", "hasattr", "hash", "hex", "isinstance", "iter", "len", "map"),
    *("max", "min", "next", "oct", "ord", "pow", "print", "property", "repr", "reversed", "round", "slice", "sorted"),
    *("staticmethod", "sum", "super", "zip"),
}  # fmt: skip
_CLASSES_OF_DATA = {*_ERRORS, *_DATA_TYPES, "Decimal", "Fraction", "date", "datetime", "timedelta"}
_SAFE_ASSERTIONS = {
    *("assertAlmostEqual", "assertCountEqual", "assertDictEqual", "assertEqual", "assertFalse", "assertGreater"),
    *("assertGreaterEqual", "assertIn", "assertIs", "assertIsInstance", "assertIsNone", "assertIsNot"),
    *("assertIsNotNone", "assertLess", "assertLessEqual", "assertListEqual", "assertMultiLineEqual"),
    *("assertNotAlmostEqual", "assertNotEqual", "assertNotIn", "assertNotIsInstance", "assertNotRegex"),
    *("assertRaises", "assertRaisesRegex", "assertRegex", "assertSequenceEqual", "assertSetEqual", "assertTrue"),
    "assertTupleEqual",
}  # fmt: skip
_TEST_CASES = {"TestCase", "unittest.TestCase", "object"}


def is_separable(tree: ast.Module) -> bool:
    """Return whether the tests only use what works with proxies of the code's objects."""
    return _Rules(tree).hold()


class _Rules:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._libraries: dict[str, str] = {}  # names of imported modules that are not the code
        self._code_modules: set[str] = set()
        # A name can be a module, as in `from src import calc`.
        self._names_of_code: set[str] = set()
        self._imported: set[str] = set()  # names from modules that are not the code
        self._parents: dict[int, ast.AST] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self._parents[id(child)] = node
        self._rules: dict[type[ast.AST], Callable[..., bool]] = {
            ast.Attribute: self._allows_attribute,
            ast.Call: self._allows_call,
            ast.ClassDef: self._allows_class,
            ast.Compare: self._allows_comparison,
            ast.Name: self._allows_name,
        }

    def hold(self) -> bool:
        if not all(self._allows_import(node) for node in ast.walk(self._tree)):
            return False
        return all(self._allows(node) for node in ast.walk(self._tree))

    def _allows(self, node: ast.AST) -> bool:
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Match):
            return False
        rule = self._rules.get(type(node))
        return rule is None or rule(node)

    def _allows_import(self, node: ast.AST) -> bool:
        """Check an import and keep the names that it defines."""
        if isinstance(node, ast.Import):
            return all(self._allows_module(alias) for alias in node.names)
        if not isinstance(node, ast.ImportFrom):
            return True
        module = node.module or ""
        names = [alias.name for alias in node.names]
        bound = {alias.asname or alias.name for alias in node.names}
        if node.level or not is_installed(module):
            self._names_of_code |= bound
            return True
        self._imported |= bound
        return all(_is_safe(module, name) for name in names)

    def _allows_module(self, alias: ast.alias) -> bool:
        name = alias.asname or alias.name.partition(".")[0]
        if not is_installed(alias.name):
            self._code_modules.add(name)
            return True
        self._libraries[name] = alias.name
        return alias.name in PURE_MODULES or alias.name in _SAFE_NAMES_BY_MODULE

    def _allows_name(self, node: ast.Name) -> bool:
        if node.id in self._libraries or node.id in self._code_modules:
            return isinstance(self._parents[id(node)], ast.Attribute)
        is_builtin = node.id in _BUILTINS and node.id not in self._imported
        return not is_builtin or node.id in _SAFE_BUILTINS

    def _allows_attribute(self, node: ast.Attribute) -> bool:
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        if owner in self._libraries:
            is_read = isinstance(node.ctx, ast.Load)
            return is_read and _is_safe(self._libraries[owner], node.attr)
        if isinstance(node.ctx, ast.Del) and owner != "self":
            return False
        if isinstance(node.ctx, ast.Store) and self._is_in_module(node):
            return False
        if _is_dunder(node.attr) and node.attr != "__name__":
            return False
        if node.attr == "filterwarnings" or (node.attr == "err" and self._uses_capsys()):
            return False
        return not node.attr.startswith("assert") or node.attr in _SAFE_ASSERTIONS

    def _is_in_module(self, node: ast.Attribute) -> bool:
        """Return whether an attribute can be a name of the code's module."""
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            root = root.value
        return isinstance(root, ast.Name) and root.id in self._code_modules | self._names_of_code

    def _uses_capsys(self) -> bool:
        arguments = (node.arg for node in ast.walk(self._tree) if isinstance(node, ast.arg))
        return "capsys" in arguments

    def _allows_call(self, node: ast.Call) -> bool:
        name = _called_name(node)
        if name in ("isinstance", "assertIsInstance", "assertNotIsInstance"):
            parts = [part for argument in node.args[1:2] for part in ast.walk(argument)]
            return all(self._allows_class_of_value(part) for part in parts)
        if name in ("getattr", "hasattr"):
            return all(
                isinstance(part, ast.Constant) and not _is_dunder(str(part.value))
                for part in node.args[1:2]
            )
        if name in ("assertIs", "assertIsNot"):
            return any(isinstance(part, ast.Constant) for part in node.args[:2])
        if name == "readouterr":
            return self._reads_stdout_only(node)
        return True

    def _allows_class_of_value(self, node: ast.AST) -> bool:
        """Return whether a name in the second argument of `isinstance` is a class of data or of the code."""
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            return owner not in self._libraries or node.attr in _CLASSES_OF_DATA
        if isinstance(node, ast.Name) and (node.id in _BUILTINS or node.id in self._imported):
            return node.id in _CLASSES_OF_DATA
        return True

    def _reads_stdout_only(self, call: ast.Call) -> bool:
        """Return whether only the output is read, and not what is written to sys.stderr."""
        parent = self._parents[id(call)]
        if isinstance(parent, ast.Attribute):
            return parent.attr == "out"
        if isinstance(parent, ast.Assign):
            return isinstance(parent.targets[0], ast.Name)
        return isinstance(parent, ast.Expr)

    @staticmethod
    def _allows_class(node: ast.ClassDef) -> bool:
        bases = {ast.unparse(base) for base in node.bases}
        is_test_class = node.name.startswith("Test") or bool(bases)
        return is_test_class and bases <= _TEST_CASES

    @staticmethod
    def _allows_comparison(node: ast.Compare) -> bool:
        operands: Sequence[ast.expr] = [node.left, *node.comparators]
        has_constant = any(isinstance(operand, ast.Constant) for operand in operands)
        is_identity = any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        return has_constant or not is_identity


def _is_safe(module: str, name: str) -> bool:
    if module in _SAFE_NAMES_BY_MODULE:
        return name in _SAFE_NAMES_BY_MODULE[module]
    return module in PURE_MODULES


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _called_name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
