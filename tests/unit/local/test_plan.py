"""What is decided before anything starts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateline.local.data_folder import DataFolder
from gateline.local.errors import LocalError
from gateline.local.plan import Options, Plan, make_plan
from gateline.local.services import SERVICES
from gateline.shared.config import ConfigError
from gateline.shared.config.settings import Settings, variables_of

MakePlan = Callable[..., Plan]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePlan]:
    """Give a function that plans in an empty folder, with no settings but its arguments."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        for variable in variables_of(field):
            monkeypatch.delenv(variable, raising=False)
    made: list[Plan] = []
    with DataFolder(tmp_path / "data") as folder:

        def make(options: Options = Options(port=0), **environ: str) -> Plan:  # noqa: B008 - frozen
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            made.append(make_plan(options, folder))
            return made[-1]

        yield make
        for one in made:
            one.release()


def test_without_settings_everything_is_ours(plan: MakePlan) -> None:
    """Both engines, all services, each with a port, and each address told."""
    made = plan()

    assert made.postgres is not None
    assert made.valkey is not None
    assert {service.name for service in made.services} == set(SERVICES)
    assert len(set(made.ports.values())) == len(SERVICES) + 1
    assert made.shared["JWT_SERVICE_URL"] == f"http://127.0.0.1:{made.ports['auth']}"
    assert made.shared["DOCTOR_SERVICE_URL"] == f"http://127.0.0.1:{made.ports['clinic']}"


def test_a_named_server_is_used_instead_of_an_engine(plan: MakePlan) -> None:
    """DATABASE_URL and REDIS_URL switch to outside servers."""
    made = plan(DATABASE_URL="postgresql://u@db.example/g", REDIS_URL="redis://cache.example:1/0")

    assert made.postgres is None
    assert made.valkey is None
    assert made.shared["DATABASE_URL"] == "postgresql+psycopg://u@db.example/g"


def test_a_service_with_an_address_is_not_started(plan: MakePlan) -> None:
    """It runs elsewhere; a service with only some of its addresses set runs here as well."""
    made = plan(JWT_SERVICE_URL="http://auth.example", DOCTOR_SERVICE_URL="http://doctors.example")

    assert "auth" not in {service.name for service in made.services}
    assert "clinic" in {service.name for service in made.services}
    assert "JWT_SERVICE_URL" not in made.shared, "children read it where we did"
    assert "DOCTOR_SERVICE_URL" not in made.shared
    assert "PATIENT_SERVICE_URL" in made.shared


def test_the_next_start_keeps_the_secrets_and_forgets_the_servers(plan: MakePlan) -> None:
    """What an earlier run wrote about its own engines is no choice of a person's."""
    first = plan()
    (Path("data") / "env").write_text(
        "".join(f"{name}='{value}'\n" for name, value in first.shared.items())
    )
    second = plan()

    assert second.shared["SECRET_KEY"] == first.shared["SECRET_KEY"]
    assert second.postgres is not None
    assert second.ports["auth"] != first.ports["auth"]


def test_production_makes_nothing_up(plan: MakePlan, tmp_path: Path) -> None:
    """Every missing setting is named, no secret is generated, no file is written."""
    with pytest.raises(ConfigError) as refusal:
        plan(FLASK_ENV="production")

    named = {problem.variable for problem in refusal.value.problems}
    assert {"SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS"} <= named
    assert not (tmp_path / "data" / "env").exists()


PRODUCTION = {
    "FLASK_ENV": "production",
    "SECRET_KEY": "Zr8kQm2vX9tLw4Yb7Nc1HdJ0aGeUfP5sT3oI6uRq",
    "DATABASE_URL": "postgresql://somebody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "api.example.org",
}


def test_production_gives_its_processes_keys_for_each_other(plan: MakePlan) -> None:
    """Where auth is ours, our processes can call it although nobody named a service key."""
    made = plan(**PRODUCTION)

    assert "jobs:" in made.shared["SERVICE_KEYS"]
    assert not made.keep


def test_production_with_auth_elsewhere_needs_its_keys_named(plan: MakePlan) -> None:
    """A key that auth does not know would be worthless, so none is made."""
    made = plan(**PRODUCTION, JWT_SERVICE_URL="http://auth.example.org")

    assert "SERVICE_KEYS" not in made.shared


def test_a_taken_public_port_gives_the_others_back(plan: MakePlan, unused_port: int) -> None:
    """Nothing stays held after a refusal, which says how to name another port."""
    taken = f"Port {unused_port} on 127.0.0.1 is taken: .* by --port or FLASK_PORT"
    with pytest.raises(LocalError, match=taken):
        plan(Options(port=unused_port))


def test_the_metrics_port_is_the_documented_one_unless_all_are_free(
    plan: MakePlan, unused_port: int
) -> None:
    """With `--port 0` Prometheus gets a free port too, unless one is named."""
    assert plan().ports["metrics"] != 9090
    with pytest.raises(
        LocalError, match=f"Port {unused_port} .* by --metrics-port or METRICS_PORT"
    ):
        plan(Options(port=0, metrics_port=unused_port))


def test_the_mark_changes_with_who_may_log_in(plan: MakePlan) -> None:
    """A new GATELINE_SAMPLE_PASSWORD must reach the database; the password is not in the mark."""
    first, second = plan().mark, plan(GATELINE_SAMPLE_PASSWORD="a-chosen-password").mark

    assert first != second
    assert "a-chosen-password" not in second


def test_only_the_edge_is_public(plan: MakePlan) -> None:
    """`--host` opens the edge, the services stay on this machine."""
    made = plan(Options(host="0.0.0.0", port=0))

    assert made.host("edge") == "0.0.0.0"
    assert {made.host(service.name) for service in made.services} == {"0.0.0.0", "127.0.0.1"}


FILE = """
[services.shop]
app = "shop:app"

[services.desk]
app = "desk:app"

[[routes]]
path = "/api/shop/*"
service = "shop"
"""


def test_a_gateway_file_brings_its_apps_and_leaves_the_samples_out(
    plan: MakePlan, tmp_path: Path
) -> None:
    """Clinic and shop are for trying; an app that runs elsewhere is not served."""
    path = tmp_path / "gateline.toml"
    path.write_text(FILE)

    made = plan(GATELINE_APPS="desk=http://desk:9000")

    names = {service.name for service in made.services}
    assert names == set(SERVICES) - {"clinic", "retail"}
    assert list(made.apps) == ["shop"]
    assert made.gateway.services["desk"].urls == ("http://desk:9000",)
    assert made.shared["GATELINE_CONFIG"] == str(path)
    assert "DOCTOR_SERVICE_URL" not in made.shared


def test_a_gateway_file_says_what_runs(plan: MakePlan, tmp_path: Path) -> None:
    """The samples on wish; without the platform only the edge."""
    path = tmp_path / "other.toml"
    path.write_text(f"[gateway]\nsamples = true\n{FILE}")
    other = plan(Options(port=0, config=path))
    assert {service.name for service in other.services} == set(SERVICES)

    path.write_text(f"[gateway]\nplatform = false\n{FILE.replace('shop/*', 'x')}")
    alone = plan(Options(port=0, config=path))
    assert [service.name for service in alone.services] == ["edge"]


def test_a_wrong_gateway_file_starts_nothing(plan: MakePlan, tmp_path: Path) -> None:
    """It is told by line and field before any port is taken."""
    (tmp_path / "gateline.toml").write_text("[services.shop]\napp = 7\n")

    with pytest.raises(ConfigError, match=r"gateline\.toml:2: services\.shop\.app: "):
        plan()
