"""Where settings come from."""

from pathlib import Path

import pytest

from gateline.shared.config import ConfigError, Settings
from gateline.shared.config.layers import gather

NAMES = {"port": ("PORT", "OLD_PORT"), "flask_env": ("FLASK_ENV",)}


def test_dotenv_values_are_taken_literally(tmp_path: Path) -> None:
    """A dollar sign in a password is no variable."""
    (tmp_path / ".env").write_text("PORT='a$HOME'\n")
    assert gather(NAMES, {}, tmp_path, {})["port"] == "a$HOME"


def test_the_preferred_name_wins_within_a_layer(tmp_path: Path) -> None:
    """When both names are set in one place, the first counts."""
    assert gather(NAMES, {"OLD_PORT": "1", "PORT": "2"}, tmp_path, {})["port"] == "2"


def test_unknown_variables_are_left_alone(tmp_path: Path) -> None:
    """The environment holds more than settings."""
    assert gather(NAMES, {"PATH": "/bin"}, tmp_path, {}) == {}


def test_a_broken_config_py_is_named(tmp_path: Path) -> None:
    """An exception in config.py is a configuration error, not a traceback."""
    (tmp_path / "config.py").write_text("raise RuntimeError('hunter2')\n")
    with pytest.raises(ConfigError, match=r"config\.py cannot be run \(RuntimeError\)") as caught:
        Settings.load({}, folder=tmp_path)
    assert "hunter2" not in str(caught.value)


def test_an_unreadable_dotenv_is_named(tmp_path: Path) -> None:
    """A .env that is no text is a configuration error."""
    (tmp_path / ".env").write_bytes(b"\xff\xfe=1\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        Settings.load({}, folder=tmp_path)


def test_a_config_py_without_the_class_is_ignored(tmp_path: Path) -> None:
    """A file of that name may be somebody else's."""
    (tmp_path / "config.py").write_text("PORT = 1\n")
    assert gather(NAMES, {}, tmp_path, {}) == {}
