"""The gateway file changes, breaks and comes back while an edge serves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge_people import edge_environment
from running_edge import RunningEdge
from running_platform import children_of
from scripted_services import ScriptedServices

from gateline.local.engines import wait_until

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
GOOD = """
[gateway]
platform = false

[services.shop]
url = "{url}"

[[routes]]
path = "/{name}/*"
service = "shop"
auth = "none"
"""
BAD = '[[routes]]\npath = "broken/*"\nservice = "shop"\nauth = "nine"\n'

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are looked up in /proc")


class OwnEdge(RunningEdge):
    """An edge with a gateway file in its folder, which a test rewrites."""

    url: str = ""

    def write(self, text: str) -> None:
        """Replace the file as editors do."""
        fresh = self.folder / "fresh.toml"
        fresh.write_text(text)
        fresh.replace(self.folder / "gateline.toml")

    def write_route(self, name: str) -> None:
        """Write a file with one route of this name."""
        self.write(GOOD.format(url=self.url, name=name))

    def ask_to_reload(self) -> None:
        """Send SIGHUP to the server."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGHUP)

    @property
    def workers(self) -> set[int]:
        """The processes that answer; none for a moment after a crash."""
        assert self.process is not None
        return set(children_of(self.process.pid))

    def answers(self, path: str, status: int) -> bool:
        """Tell whether a path is answered so, soon."""
        return wait_until(lambda: self._status(path) == status, seconds=10.0)

    def refused(self) -> list[str]:
        """Return where health says that the file is wrong."""
        refused = self.get("/health").json()["config"]["refused"]
        return [] if refused is None else list(refused["problems"])

    def _status(self, path: str) -> int:
        try:
            return self.get(path).status
        except (OSError, EOFError):
            return 0


@pytest.fixture(scope="module")
def own_edge(
    every_service: ScriptedServices, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnEdge]:
    """Run an edge with a file of one route."""
    folder = tmp_path_factory.mktemp("own-edge")
    edge = OwnEdge(folder, edge_environment(redis_url) | every_service.environment)
    edge.url = f"http://127.0.0.1:{every_service.ports['events']}"
    edge.write_route("one")
    edge.start()
    yield edge
    edge.stop()


def test_a_change_is_taken_without_a_signal(own_edge: OwnEdge) -> None:
    """The file is looked at every second."""
    own_edge.write_route("one")
    assert own_edge.answers("/one/x", 200)
    own_edge.write_route("two")
    assert own_edge.answers("/two/x", 200)
    assert own_edge.get("/one/x").reason == "no_route"


def test_lines_of_requests_come_and_go_with_the_file(own_edge: OwnEdge) -> None:
    """`access_log` counts from the version on that says it."""

    def ask(name: str, *, logged: bool) -> None:
        text = GOOD.format(url=own_edge.url, name=name)
        said = f"[gateway]\naccess_log = {str(logged).lower()}"
        own_edge.write(text.replace("[gateway]", said))
        assert own_edge.answers(f"/{name}/x", 200)
        own_edge.get(f"/{name}/asked")

    ask("quiet", logged=False)
    ask("loud", logged=True)
    own_edge.wait_for_line("GET /loud/asked")
    assert "GET /quiet/asked" not in own_edge.output


def test_a_bad_file_is_refused_and_a_new_worker_serves_the_last_good_one(
    own_edge: OwnEdge,
) -> None:
    """Every problem is logged; a crash in the meantime changes nothing."""
    own_edge.write_route("three")
    assert own_edge.answers("/three/x", 200)
    own_edge.write(BAD)
    own_edge.ask_to_reload()
    places = ["gateline.toml:2: routes[1].path", "gateline.toml:4: routes[1].auth"]
    assert wait_until(lambda: sorted(own_edge.refused()) == places, seconds=10.0)
    assert own_edge.get("/three/x").status == 200
    for place in places:
        assert place in own_edge.output
    (before,) = own_edge.workers
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: bool(own_edge.workers - {before}), seconds=10.0)
    assert own_edge.answers("/three/x", 200)
    assert sorted(own_edge.refused()) == places
    own_edge.write_route("four")
    assert own_edge.answers("/four/x", 200)
    assert own_edge.refused() == []


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ('health_check = { path = "/ü" }', "services.shop.health_check.path"),
        ('prefix = "/a b"', "services.shop.prefix"),
        ('tls = { ca = "gateline.toml" }', "services.shop.tls.ca"),
    ],
)
def test_what_would_fail_only_in_use_is_refused_whole(
    own_edge: OwnEdge, setting: str, field: str
) -> None:
    """Nothing of such a file is taken: the version before is told, answers, and goes on."""
    own_edge.write_route("before")
    assert own_edge.answers("/before/x", 200)
    serving = own_edge.get("/health").json()["config"]["version"]
    text = GOOD.format(url=own_edge.url, name="after")
    own_edge.write(text.replace("[[routes]]", f"{setting}\n\n[[routes]]"))
    place = f"gateline.toml:8: {field}"
    assert wait_until(lambda: own_edge.refused() == [place], seconds=10.0)
    assert own_edge.get("/health").json()["config"]["version"] == serving
    assert own_edge.answers("/before/x", 200)
    assert own_edge.answers("/after/x", 404)
    own_edge.write_route("after")
    assert own_edge.answers("/after/x", 200)
    assert own_edge.refused() == []


def test_a_file_that_is_gone_takes_no_route_along(own_edge: OwnEdge) -> None:
    """Somebody moved it away: what served goes on serving."""
    own_edge.write_route("five")
    assert own_edge.answers("/five/x", 200)
    (own_edge.folder / "gateline.toml").unlink()
    assert wait_until(lambda: own_edge.refused() == ["file"], seconds=10.0)
    assert own_edge.get("/five/x").status == 200


@pytest.mark.parametrize("script", ["reloads.py", "routes.py"])
def test_the_measurement_runs(script: str) -> None:
    """No request fails while versions change, and with thousands of routes."""
    command = [sys.executable, str(BENCHMARKS / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "wrk is needed" in done.stderr:
        pytest.skip("wrk is not installed")
    assert done.returncode == 0, done.stdout + done.stderr
