"""The layout: imports point down, private names stay in one file, files and functions are short."""

import ast
import pathlib

import keras
import pytest

import keras_genzoo

ROOT = pathlib.Path(keras_genzoo.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}
INTERNALS = ROOT / "core" / "keras_internals.py"

# The packages that each package may import from; every one may import from the leaves.
LEAVES = {
    "core.annealing",
    "core.fields",
    "core.keras_internals",
    "core.replicas",
    "core.validation",
    "files",
    "version",
}
ALLOWED = {
    "files": set(),
    "plot": set(),
    "data": set(),
    "losses": set(),
    "layers": set(),
    "metrics": set(),
    "networks": {"layers"},
    "core": {"layers", "metrics", "networks", "serving"},
    "serving": set(),
    "models": {"core", "layers", "losses", "networks", "serving"},
    "callbacks": {"models", "core", "losses", "metrics", "plot"},
}


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").parts


def imports(tree):
    """The modules of the library that a file imports, without the library's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras_genzoo"):
            module = node.module.removeprefix("keras_genzoo").lstrip(".")
            names = [alias.name for alias in node.names]
            yield from ([module] if "." in module else [f"{module}.{n}".strip(".") for n in names])


PACKAGES = [path for path in FILES if name_of(path)[0] in ALLOWED]


@pytest.mark.parametrize("path", PACKAGES)
def test_imports_point_down(path):
    package = name_of(path)[0]
    allowed = ALLOWED[package] | LEAVES | {package}
    for module in imports(TREES[path]):
        ok = any(module == a or module.startswith(f"{a}.") for a in allowed)
        assert ok, f"{path} imports {module}"


def private_attributes(tree):
    """Attributes of one underscore that are read or set on something."""
    for node in ast.walk(tree):
        is_private = isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if is_private and (not node.attr.startswith("__") or node.attr == "__class__"):
            yield node


def test_private_names_of_keras_are_in_one_file():
    """An attribute of `self` may be private if no class of Keras or TensorFlow has it."""
    foreign = (
        set(dir(keras.Model)) | set(dir(keras.metrics.Metric)) | set(dir(keras.callbacks.Callback))
    )
    found = []
    for path in FILES:
        if path == INTERNALS:
            continue
        for node in private_attributes(TREES[path]):
            owner = ast.unparse(node.value)
            on_self = owner in ("self", "cls", "model", "super()")
            reads_class = node.attr == "__class__" and isinstance(node.ctx, ast.Load)
            if reads_class or (on_self and node.attr not in foreign):
                continue
            found.append(f"{path.name}:{node.lineno} {node.attr}")
    assert found == []


def test_private_modules_are_in_one_file():
    for path in FILES:
        if path != INTERNALS:
            assert "keras.src" not in path.read_text()
            assert "tensorflow.python" not in path.read_text()
            assert "tensorflow_datasets.core" not in path.read_text()


def test_nobody_asks_a_model_for_its_attributes():
    for path in FILES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr":
                assert "model" not in ast.unparse(node.args[0]), f"{path}:{node.lineno}"


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES)
def test_no_function_is_long(path):
    """Docstrings do not count: they may be as long as they need."""
    for function in functions(TREES[path]):
        length, first = function.end_lineno - function.lineno + 1, function.body[0]
        if ast.get_docstring(function):
            length -= first.end_lineno - first.lineno + 1
        assert length <= 40, f"{path.name}: {function.name} has {length} lines"


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.py")))
def test_no_model_is_long(path):
    assert len(path.read_text().splitlines()) <= 250


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.py")))
def test_models_name_no_plumbing(path):
    """A paper's file names no strategy, replica, or worker."""
    names = {n.attr for n in ast.walk(TREES[path]) if isinstance(n, ast.Attribute)}
    names |= {n.id for n in ast.walk(TREES[path]) if isinstance(n, ast.Name)}
    words = ("replica", "strategy", "worker", "distribute")
    assert [name for name in names if any(word in name for word in words)] == []


def test_docstrings_begin_as_they_should():
    for path in FILES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                first = (ast.get_docstring(node) or "").split(" ")[0]
                assert first not in ("What", "Whether", "How", "Who") or (
                    first == "Whether"
                    and any(getattr(d, "id", "") == "property" for d in node.decorator_list)
                ), f"{path}: {getattr(node, 'name', 'module')}"
