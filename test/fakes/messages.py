"""Messages that the source can utter to an operator: what ends a program, what --check finds, the log at WARNING and above."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FATAL = dict.fromkeys(("StartError", "RingError", "VirtualenvError", "ToolError", "ApiError", "BadQuestion"), 0)
FATAL |= {"CommandError": 0, "CannotLook": 0, "ConfigError": 3, "ClosedLibrary": 3, "BadOption": 1, "UnknownFactory": 0}
"""Exceptions whose text is a program's last word, and which of their arguments says what is wrong."""
_FINDING = 3
"""The argument of ``report.add``, by which ``--check`` tells what it finds, that says what is wrong."""
_ELSEWHERE = 2
"""The same of ``report.add_elsewhere`` and ``report.add_line``."""
UNAVAILABLE = {"HTTPServiceUnavailable": 0}
"""Answers that an operator is asked about."""
LEVELS = {"warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log", "logger", "_logger", "_LOGGER", "LOGGER", "get_logger", "getLogger"}
GAP = "…"
_PLACEHOLDER = re.compile(r"%[-#0 +]*[\d.]*[srdifxg]")


def messages(package: Path) -> dict[str, set[str]]:
    """Every message below a folder, with a gap where it tells a value, and the modules that have it.

    Those that are nothing but values of other messages are left out.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package.parent).as_posix()
        for text in _of_module(ast.parse(path.read_text())):
            if re.search(r"[A-Za-z]{3}", text):
                found.setdefault(text.strip(), set()).add(module)
    return found


def _of_module(tree: ast.Module) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    scope = {id(inner): function for function in functions for inner in ast.walk(function)}  # the innermost comes last
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (place := _place(node)) is not None and len(node.args) > place:
            yield from _texts(node.args[place], scope.get(id(node)))
    for function in functions:
        if function.name == "problem" and any(ast.unparse(name) == "property" for name in function.decorator_list):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from _texts(node.value, function)


def _place(call: ast.Call) -> int | None:
    """Which argument of a call is a message."""
    function = call.func
    if isinstance(function, ast.Name):
        return {**FATAL, **UNAVAILABLE}.get(function.id)
    if isinstance(function, ast.Attribute) and function.attr in (*LEVELS, "log"):
        owner = function.value.func if isinstance(function.value, ast.Call) else function.value
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        return int(function.attr == "log") if name in LOGGERS else None
    if isinstance(function, ast.Attribute) and function.attr == "add" and ast.unparse(function.value) == "report":
        return _FINDING
    if isinstance(function, ast.Attribute) and function.attr in ("add_elsewhere", "add_line"):
        return _ELSEWHERE if ast.unparse(function.value) in ("report", "theirs") else None
    return None


def _texts(node: ast.expr, function: ast.AST | None) -> Iterator[str]:
    """The texts that an expression may have: a name has those that are assigned to it in the function around it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield _PLACEHOLDER.sub(GAP, node.value)
    elif isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
        yield _PLACEHOLDER.sub(GAP, "".join(map(str, parts)))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from ("".join(pair) for pair in zip(_texts(node.left, None), _texts(node.right, None)))
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, function)
        yield from _texts(node.orelse, function)
    elif isinstance(node, ast.Name) and function is not None:
        for inner in ast.walk(function):
            targets = inner.targets if isinstance(inner, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == node.id for target in targets):
                yield from _texts(inner.value, None)
