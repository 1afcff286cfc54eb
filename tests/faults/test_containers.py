"""Each container's command by hand: a plain user, a read-only tree, the declared places apart.

The image's own command runs everything; beside it, on the same engines, run the commands of the
Compose file, which are those of the Kubernetes manifests too. All in production.
"""

import contextlib
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from certificates import Authority
from container import contained
from dockerfile import read_stages

from gateline.local.engines import Postgres, Valkey

ROOT = Path(__file__).parents[2]
IMAGE = read_stages(ROOT / "Dockerfile")[-1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
PARTS = {name: one for name, one in COMPOSE["services"].items() if "gateline" in one["image"]}
SERVING = sorted(name for name, one in PARTS.items() if one["command"][0] == "serve")
START_SECONDS = 60.0
STOP_SECONDS = 40.0
# What an operator sets; the addresses are those of the platform in the image's own container.
OPERATOR = {
    "SECRET_KEY": "0123456789abcdef0123456789abcdef-of-a-test",
    "JWT_SECRET_KEY": "fedcba9876543210fedcba9876543210-of-a-test",
    "ALLOWED_HOSTS": "gateline.example.com",
    "ADMIN_PASSWORD": "correct horse battery staple",
    "LOG_LEVEL": "INFO",
}
KUBERNETES = [
    document
    for path in sorted((ROOT / "deploy" / "k8s").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
PODS = ("Deployment", "Job")


@dataclass
class Container:
    """A command that runs as in its container."""

    process: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]

    @property
    def output(self) -> str:
        """What it has printed."""
        return (self.folder / "output.log").read_text(errors="replace")

    def run(self, *command: str) -> int:
        """Run another command in the same container and return its exit code."""
        return _contained(self.folder, command, self.environment).wait(30)

    def wait_until_healthy(self) -> None:
        """Ask as Docker does, with the image's HEALTHCHECK; fail when it ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not self._listens() or self.run(*IMAGE.healthcheck) != 0:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", int(self.environment["FLASK_PORT"]))) == 0

    def stop(self) -> int:
        """Stop it as Docker does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """Give a short folder for the containers' writable places."""
    shelf = Path(tempfile.mkdtemp(prefix="gateline-containers-"))
    yield shelf
    shutil.rmtree(shelf, ignore_errors=True)


@pytest.fixture(scope="module")
def engines(postgres: Postgres, valkey: Valkey) -> Iterator[dict[str, str]]:
    """Give the addresses of PostgreSQL and Valkey, opened for the containers' user meanwhile."""
    database = postgres.create_database("gateline_containers")
    with contextlib.ExitStack() as opened:
        for folder in (postgres.sockets, valkey.socket.parent):
            opened.enter_context(_mode(folder, 0o711))
            for place in filter(Path.is_socket, folder.iterdir()):
                opened.enter_context(_mode(place, 0o777))
        yield {"DATABASE_URL": database, "REDIS_URL": valkey.url(1)}


@contextlib.contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode)
    yield
    path.chmod(before)


@pytest.fixture(scope="module")
def everything(shelf: Path, engines: dict[str, str]) -> Iterator[Container]:
    """Run the image as it is: `docker run` with the settings that document 2 shows."""
    container = _start(shelf / "up", [*IMAGE.entrypoint, *IMAGE.command], {**OPERATOR, **engines})
    yield container
    container.stop()


@pytest.fixture(scope="module")
def start(
    shelf: Path, engines: dict[str, str], everything: Container
) -> Iterator[Callable[..., Container]]:
    """Give a function that starts a part as the Compose file says, beside `everything`."""
    everything.wait_until_healthy()
    key = "a-key-of-a-test-0123456789-0123456789"
    keys = {"SERVICE_KEYS": f"platform:{key}", "SERVICE_KEY": key}
    started: list[Container] = []

    def begin(name: str, **more: str) -> Container:
        part = PARTS[name]
        fixed = {key: str(one) for key, one in part["environment"].items() if "$" not in str(one)}
        command = [*IMAGE.entrypoint, *part["command"]]
        told = {**fixed, **OPERATOR, **engines, **keys, **more}
        started.append(_start(shelf / f"{name}-{len(started)}", command, told))
        return started[-1]

    yield begin
    for container in started:
        container.stop()


def test_the_image_alone_runs_everything(everything: Container) -> None:
    """`docker run` of the image in production: healthy on 8000, or where FLASK_PORT says."""
    everything.wait_until_healthy()
    host = {"Host": OPERATOR["ALLOWED_HOSTS"]}
    place = f"http://127.0.0.1:{everything.environment['FLASK_PORT']}"
    answer = requests.get(f"{place}/api/health", headers=host, timeout=10)
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")
    assert requests.get(f"{place}/api/health", timeout=10).status_code == 400
    assert "Read-only file system" not in everything.output


def test_a_container_writes_nothing_but_its_declared_places(everything: Container) -> None:
    """The user is the image's, the tree is read-only even where everybody may write."""
    user = IMAGE.user.partition(":")[0]
    assert everything.run("sh", "-c", f'test "$(id -u)" = {user} && touch "$TMPDIR/mine"') == 0
    for place in ("/", "/home", str(ROOT), str(everything.folder.parent)):
        assert everything.run("sh", "-c", f"touch {place}/not-mine 2>$TMPDIR/said") != 0
        said = (everything.folder / "tmp" / "said").read_text()
        assert "Read-only file system" in said


def test_migrations_run_contained(start: Callable[..., Container]) -> None:
    """Compose's first container and the migration job of Kubernetes."""
    migrate = start("migrate")
    assert migrate.process.wait(START_SECONDS) == 0, migrate.output


@pytest.mark.parametrize("name", SERVING)
def test_a_part_runs_contained(name: str, start: Callable[..., Container]) -> None:
    """It becomes healthy by the image's own check, and ends cleanly when it is stopped."""
    part = start(name)
    part.wait_until_healthy()
    assert part.stop() == 0, part.output
    assert "Read-only file system" not in part.output


def test_an_edge_with_certificates_is_healthy(start: Callable[..., Container], shelf: Path) -> None:
    """The check speaks https where nothing else is spoken."""
    pair = Authority(shelf).issue("gateline.example.com")
    file = shelf / "gateline.toml"
    file.write_text(f'[gateway.tls]\ncertificate = "{pair}"\nkey = "{pair}"\n')
    edge = start("edge", GATELINE_CONFIG=str(file))
    edge.wait_until_healthy()
    assert edge.stop() == 0, edge.output


def test_kubernetes_runs_the_same_commands() -> None:
    """What is shown for Compose holds for the manifests: commands, read-only trees, /tmp."""
    pods = [one["spec"]["template"]["spec"] for one in KUBERNETES if one["kind"] in PODS]
    commands = [container["args"] for pod in pods for container in pod["containers"]]
    assert sorted(commands) == sorted(one["command"] for one in PARTS.values())
    for pod in pods:
        (container,) = pod["containers"]
        assert [one["mountPath"] for one in container["volumeMounts"]] == COMPOSE["x-part"]["tmpfs"]
        assert pod["securityContext"]["runAsUser"] == 10001


def _start(folder: Path, command: list[str], told: Mapping[str, str]) -> Container:
    """Start a command in a new container: the image's environment and then what it is told."""
    for place in ("tmp", "data"):
        (folder / place).mkdir(parents=True)
    places = {"TMPDIR": str(folder / "tmp"), "GATELINE_DATA_DIR": str(folder / "data")}
    ports = {"FLASK_PORT": str(_free_port()), "METRICS_PORT": str(_free_port())}
    image = {name: value for name, value in IMAGE.env.items() if name != "PATH"}
    environment = {**image, **told, **places, **ports, "FLASK_HOST": "127.0.0.1"}
    return Container(_contained(folder, command, environment), folder, environment)


def _contained(
    folder: Path, command: list[str] | tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return contained(
        command,
        environment=environment,
        folder=folder / "data",
        writable=[folder / "tmp", folder / "data"],
        output=folder / "output.log",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
