"""Which paths the views of an application are registered for, as far as its code says literally."""

import ast
from collections.abc import Iterator, Mapping
from typing import Final

_VERBS: Final = frozenset({"route", "get", "post", "put", "patch", "delete"})
_BLUEPRINTS: Final = frozenset({"Blueprint", "APIRouter"})
_PREFIXES: Final = frozenset({"url_prefix", "prefix"})


def stated_paths(trees: Mapping[str, ast.Module], module: str) -> tuple[str, ...]:
    """Return the literal paths of the views in a module and in those that it imports, in order.

    `trees` are the modules of the folder by name. Prefixes of blueprints are put before.
    """
    used = list(_used(trees, module))
    prefixes: dict[str, str] = {}
    for name in used:
        prefixes |= _registered(trees[name])
    found: dict[str, None] = {}
    for name in used:
        known = prefixes | _prefixes(trees[name])
        for node in ast.walk(trees[name]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    if (path := _path_of(decorator, known)) is not None:
                        found[path] = None
    return tuple(found)


def callee(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return _last_name(call.func)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _used(trees: Mapping[str, ast.Module], start: str) -> Iterator[str]:
    """Yield a module of the folder and all modules of the folder that it imports in turn."""
    waiting, seen = [start], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in trees:
            continue
        seen.add(name)
        yield name
        waiting += _imported(trees, name)


def _imported(trees: Mapping[str, ast.Module], module: str) -> Iterator[str]:
    is_package = any(name.startswith(f"{module}.") for name in trees)
    for node in ast.walk(trees[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            up = node.level - (1 if is_package else 0)
            base = parts[: len(parts) - up] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            yield whole
            yield from (f"{whole}.{alias.name}" for alias in node.names)


def _path_of(decorator: ast.expr, prefixes: Mapping[str, str]) -> str | None:
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return None
    if decorator.func.attr not in _VERBS or not decorator.args:
        return None
    first = decorator.args[0]
    if not isinstance(first, ast.Constant) or not str(first.value).startswith("/"):
        return None
    return prefixes.get(_last_name(decorator.func.value), "") + str(first.value)


def _prefixes(tree: ast.Module) -> dict[str, str]:
    """Return the prefix that each blueprint of a module is made with, by its name."""
    return {
        node.targets[0].id: prefix
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and callee(node.value) in _BLUEPRINTS
        and (prefix := _prefix(node.value))
    }


def _registered(tree: ast.Module) -> dict[str, str]:
    """Return the prefix that each blueprint is registered with, by its name."""
    return {
        _last_name(node.args[0]): prefix
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and callee(node) in {"register_blueprint", "include_router"}
        and node.args
        and (prefix := _prefix(node))
    }


def _prefix(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg in _PREFIXES and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value).rstrip("/")
    return ""
