"""One's own events are found by name, and a wrong name is said at the start."""

from pathlib import Path

import pytest

from gateline.edge.sockets.own_events import socketio_events
from gateline.shared.config import ConfigError


def test_nothing_named_is_nothing_to_call() -> None:
    """Without the setting there are no events but ours."""
    assert socketio_events("") is None


def test_a_module_of_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module needs no installation."""
    (tmp_path / "shop_events_for_test.py").write_text("def register(sio): return sio\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    register = socketio_events("shop_events_for_test:register")
    assert register is not None
    assert register("the server") == "the server"


@pytest.mark.parametrize(
    "named", ["no_such_module_here:register", "json:no_such_name", "json", "string:digits", ":x"]
)
def test_a_wrong_name_is_a_wrong_setting(named: str) -> None:
    """Whoever set it reads which setting is wrong and what would be right."""
    with pytest.raises(ConfigError, match="GATELINE_SOCKETIO_EVENTS must name a function"):
        socketio_events(named)
