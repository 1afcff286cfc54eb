"""How configuration errors read."""

from gateline.shared.config import ConfigError, Problem


def test_every_problem_has_its_line() -> None:
    """The message lists each variable with what would be right."""
    error = ConfigError([Problem("A", "must be set"), Problem("B", "must be a port")])
    assert str(error).splitlines()[1:] == ["  A must be set", "  B must be a port"]
