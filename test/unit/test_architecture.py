"""The drawing of the structure holds: import direction, a pure core, one door to eventlet, readable sizes."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "swiftlite"

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 7

# path or path:function -> why a limit would force worse code there
EXCEPTIONS: dict[str, str] = {}

LAYERS = [
    "core",
    "common",
    "http",
    "ring",
    "wire",
    "db",
    ("obj", "container", "account", "proxy"),
    "watch",
    "middleware",
    "cli",
    "testing",
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in ([names] if isinstance(names, str) else names)}

IMPURE = {
    *("asyncio", "eventlet", "greenlet", "http", "httptools", "logging", "os", "paste", "pathlib", "random"),
    *("secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading"),
    *("time", "uuid", "webob", "xattr"),
}

FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def imports_of(path):
    """Dotted names that a file imports, anywhere in it."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}: a relative import hides where it points"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "swiftlite" and len(parts) > 1 and parts[1] in LEVEL else None


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_one_way(path):
    own = layer_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in imports_of(path):
        other = layer_of(module)
        if own and other and own != other:
            assert LEVEL[other] < LEVEL[own], f"{relative(path)} may not import {module}"


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "core"], ids=relative)
def test_core_is_pure(path):
    impure = {module for module in imports_of(path) if module.split(".")[0] in IMPURE}
    assert not impure
    opened = [node for node in ast.walk(TREES[path]) if isinstance(node, ast.Name) and node.id in ("open", "print")]
    assert not opened


def test_eventlet_is_imported_in_one_place():
    importers = {relative(path) for path in FILES if any(name.split(".")[0] == "eventlet" for name in imports_of(path))}
    assert importers == {"swiftlite/common/concurrency.py"}


def test_json_is_read_in_one_place():
    """``json.loads`` raises RecursionError for what somebody has nested deeply enough, and nobody thinks of that."""
    readers = {
        relative(path)
        for path in FILES
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and ast.unparse(node.value) == "json"
    }
    assert readers == {"swiftlite/core/json_text.py"}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_says_its_job_and_can_be_read_in_one_sitting(path):
    lines = path.read_text().count("\n")
    if lines:
        assert ast.get_docstring(TREES[path]), "its first line says its one job"
    if relative(path) not in EXCEPTIONS:
        assert lines <= MAX_FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_functions_fit_a_screen(path):
    for node in ast.walk(TREES[path]):
        if not isinstance(node, ast.FunctionDef):
            continue
        name = f"{relative(path)}:{node.name}"
        if name in EXCEPTIONS:
            continue
        body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        assert node.end_lineno - body[0].lineno + 1 <= MAX_FUNCTION_LINES, f"{name} is too long"
        parameters = [argument.arg for argument in node.args.args + node.args.kwonlyargs]
        parameters = [name for name in parameters if name not in ("self", "cls")]
        assert len(parameters) <= MAX_PARAMETERS, f"{name} takes too many parameters"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_public_names_are_documented_and_typed(path):
    def public(body, inside=""):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                yield inside + node.name, node
                if isinstance(node, ast.ClassDef):
                    yield from public(node.body, node.name + ".")

    undocumented, untyped = [], []
    for name, node in public(TREES[path].body):
        if not ast.get_docstring(node):
            undocumented.append(name)
        if isinstance(node, ast.FunctionDef):
            arguments = [a for a in node.args.args + node.args.kwonlyargs if a.arg not in ("self", "cls")]
            if node.returns is None or any(argument.annotation is None for argument in arguments):
                untyped.append(name)
    assert (undocumented, untyped) == ([], [])
