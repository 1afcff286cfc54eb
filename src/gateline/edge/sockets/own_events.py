"""One's own Socket.IO events: a function of theirs, named in the settings, called at the start."""

import importlib
import sys
from pathlib import Path
from typing import Final

from gateline.edge.sockets.socket_io import Register
from gateline.shared.config import ConfigError, Problem

_VARIABLE: Final = "GATELINE_SOCKETIO_EVENTS"


def socketio_events(named: str) -> Register | None:
    """Return the function that `module:function` names, None when nothing is named.

    The module is looked for in the working folder too. Raises ConfigError when there is no such
    function.
    """
    if not named:
        return None
    module_name, _, function_name = named.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        register = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise _wrong(f"must name a function as module:function ({error})") from error
    if not callable(register):
        raise _wrong("must name a function that takes the Socket.IO server")
    function: Register = register
    return function


def _wrong(reason: str) -> ConfigError:
    return ConfigError([Problem(_VARIABLE, reason)])
