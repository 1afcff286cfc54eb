"""`gateline serve`: what it makes of options and settings."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateline.cli.serve import serve
from gateline.local import serving
from gateline.local.services import ServiceProgram
from gateline.local.serving import Listen

Served = list[tuple[str, Listen]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """Collect what would be served, with the least of settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/none")
    monkeypatch.setenv("SECRET_KEY", "a-secret-for-tests-of-at-least-32-bytes")
    for name in ("FLASK_HOST", "FLASK_PORT"):
        monkeypatch.delenv(name, raising=False)
    calls: Served = []

    def note(service: ServiceProgram, listen: Listen) -> None:
        calls.append((service.name, listen))

    monkeypatch.setattr(serving, "serve", note)
    return calls


@pytest.mark.parametrize(("name", "port"), [("edge", 8000), ("web", 5000), ("auth", 5000)])
def test_without_a_port_the_edge_has_8000_and_the_others_5000(
    served: Served, name: str, port: int
) -> None:
    """The documented defaults."""
    assert CliRunner().invoke(serve, [name]).exit_code == 0
    assert served == [(name, Listen("127.0.0.1", port))]


def test_the_environment_names_host_and_port(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FLASK_HOST and FLASK_PORT hold for every service."""
    monkeypatch.setenv("FLASK_HOST", "0.0.0.0")
    monkeypatch.setenv("FLASK_PORT", "7000")
    CliRunner().invoke(serve, ["web"])

    assert served[0][1] == Listen("0.0.0.0", 7000)


def test_options_override_the_environment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the command line wins."""
    monkeypatch.setenv("FLASK_PORT", "7000")
    options = "--host ::1 --port 7001 --workers 2 --threads 4 --drain 5"
    CliRunner().invoke(serve, ["web", *options.split()])

    assert served[0][1] == Listen("::1", 7001, workers=2, threads=4, drain_seconds=5)
