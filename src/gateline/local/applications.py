"""Find a team's own WSGI application by its name: `module:app` or `module:create_app`."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Application = Callable[..., Any]

USUAL_NAMES: Final = ("create_app", "make_app", "app", "application")
"""What is looked for, in this order, where only a module is named."""

_ASGI_PARAMETERS: Final = 3


class ApplicationError(Exception):
    """There is no such application; the message says what is missing, for whoever wrote it."""


def load_application(target: str, directory: Path) -> Application:
    """Return the WSGI application, with `directory` as working folder and first place of imports.

    A factory is called without arguments. Raises ApplicationError when there is nothing of that
    name or it is no WSGI application; what the module itself raises is passed on.
    """
    _enter(directory)
    module_name, _, name = target.removesuffix("()").partition(":")
    found = _attribute(_module(module_name, directory), name, directory)
    if _is_factory(found):
        found = found()
    return _checked(found, target)


def _enter(directory: Path) -> None:
    if not directory.is_dir():
        raise ApplicationError(f"there is no folder {directory}")
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()


def _module(name: str, directory: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that it imports in turn is missing: that is for its own traceback to say.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ApplicationError(f"there is no module {name!r} in {directory}") from None


def _attribute(module: Any, name: str, directory: Path) -> Any:
    if name:
        try:
            found = module
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            raise ApplicationError(
                f"the module {module.__name__!r} in {directory} has no {name!r}"
            ) from None
        return found
    for usual in USUAL_NAMES:
        if hasattr(module, usual):
            return getattr(module, usual)
    raise ApplicationError(
        f"the module {module.__name__!r} in {directory} has none of {', '.join(USUAL_NAMES)}: "
        f"name the application as {module.__name__}:NAME"
    )


def _is_factory(found: Any) -> bool:
    """Tell a function that makes an application from one that is an application."""
    return inspect.isroutine(found) and not _required_parameters(found)


def _checked(found: Any, target: str) -> Application:
    call = found if inspect.isroutine(found) else inspect.getattr_static(found, "__call__", None)
    if not callable(found) or isinstance(found, type):
        raise ApplicationError(f"{target} is no WSGI application but a {type(found).__name__}")
    if inspect.iscoroutinefunction(call) or _required_parameters(found) == _ASGI_PARAMETERS:
        raise ApplicationError(
            f"{target} is an ASGI application, not a WSGI one: serve it by itself (uvicorn, "
            "granian) and give its address as `url`"
        )
    return found  # type: ignore[no-any-return] # it is callable


def _required_parameters(found: Any) -> int:
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return 2
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters)
