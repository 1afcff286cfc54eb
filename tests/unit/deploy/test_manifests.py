"""The files under deploy/ are valid, and speak of settings and commands that there are."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from compose_spec import PyCompose
from dockerfile import read_stages

from gateline.cli import cli
from gateline.local.services import SERVICES
from gateline.shared.config import Settings
from gateline.shared.config.settings import variables_of

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.37"
VARIABLES = {name for field in Settings.model_fields for name in variables_of(field)}
APPLIED = [
    (path.name, document)
    for path in sorted((DEPLOY / "k8s").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
SECRET: dict[str, Any] = yaml.safe_load((DEPLOY / "secret.example.yaml").read_text("utf-8"))
MANIFESTS = [
    pytest.param(document, id=f"{name}-{document['metadata']['name']}")
    for name, document in [*APPLIED, ("secret.example.yaml", SECRET)]
]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: one for name, one in COMPOSE["services"].items() if "gateline" in one["image"]}


@pytest.mark.parametrize("document", MANIFESTS)
def test_kubernetes_schema(document: dict[str, Any]) -> None:
    """Each manifest is what Kubernetes' own schema takes, with no unknown field."""
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("document", MANIFESTS)
def test_pods_are_locked_down(document: dict[str, Any]) -> None:
    """Containers run as a plain user, read-only, without privileges, within limits."""
    if document["kind"] not in ("Deployment", "Job"):
        return
    pod = document["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        if document["kind"] == "Deployment":
            assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("document", MANIFESTS)
def test_kubernetes_settings_exist(document: dict[str, Any]) -> None:
    """Every variable in config map and secret is one of ours, and no secret has a value."""
    if document["kind"] == "ConfigMap":
        assert set(document["data"]) <= VARIABLES
    if document["kind"] == "Secret":
        assert set(document["stringData"]) <= VARIABLES
        assert document["stringData"]["SECRET_KEY"] == ""


def test_applying_the_folder_leaves_the_secret_alone() -> None:
    """`kubectl apply -f deploy/k8s/` brings no secret, which would replace the operator's."""
    assert "Secret" not in _by_kind()
    assert SECRET["kind"] == "Secret"
    wanted = {"name": SECRET["metadata"]["name"]}
    for one in _by_kind()["Deployment"] + _by_kind()["Job"]:
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert {"secretRef": wanted} in container["envFrom"]


def test_every_service_has_a_deployment() -> None:
    """What Compose runs runs on Kubernetes as well: nothing that the pages offer is missing."""
    deployed = []
    for document in _by_kind()["Deployment"]:
        container = document["spec"]["template"]["spec"]["containers"][0]
        assert container["args"][0] == "serve"
        assert document["metadata"]["name"] == f"gateline-{container['args'][1]}"
        deployed.append(container["args"][1])
    assert sorted(deployed) == sorted(SERVICES)


def test_every_address_of_the_config_map_is_a_service() -> None:
    """Each service that has an address is named there, at the service that leads to its pods."""
    (config,) = _by_kind()["ConfigMap"]
    behind = {one["metadata"]["name"]: one["spec"] for one in _by_kind()["Service"]}
    for name, service in SERVICES.items():
        for variable in service.url_variables:
            assert config["data"][variable] == f"http://gateline-{name}:8000"
            assert behind[f"gateline-{name}"]["ports"][0]["port"] == 8000
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in _by_kind()["Deployment"]]
    for spec in behind.values():
        assert [spec["selector"]] == [
            one for one in pods if spec["selector"].items() <= one.items()
        ]


def _by_kind() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for _, document in APPLIED:
        found.setdefault(document["kind"], []).append(document)
    return found


def test_compose_schema() -> None:
    """The Compose file is what the specification takes."""
    found = PyCompose.from_json(json.dumps(COMPOSE))
    assert set(found.service_names()) == {"postgres", "valkey", "migrate", *SERVICES}


@pytest.mark.parametrize("name", sorted(OURS))
def test_compose_parts(name: str) -> None:
    """Each part is read-only, without privileges, and told only what there is."""
    part = OURS[name]
    assert part["read_only"]
    assert part["cap_drop"] == ["ALL"]
    assert set(part["environment"]) <= VARIABLES
    command = part["command"]
    assert command == ["db", "upgrade"] or (command[0] == "serve" and command[1] in SERVICES)


def test_compose_publishes_the_edge_alone() -> None:
    """Nothing but the edge has a port on the host, and its metrics only on the host itself."""
    published = {name: one["ports"] for name, one in COMPOSE["services"].items() if "ports" in one}
    assert published == {"edge": ["8000:8000", "127.0.0.1:9090:9090"]}


def test_production_example_names_what_compose_needs() -> None:
    """Each variable that Compose insists on is in the example, none of the secrets has a value."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    lines = (DEPLOY / "production.env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert needed <= set(example)
    assert example["SECRET_KEY"] == example["JWT_SECRET_KEY"] == example["ADMIN_PASSWORD"] == ""


def test_dockerfile_runs_as_a_plain_user_in_production() -> None:
    """The image's last words: a user that is not root, production, 8000, a command that exists."""
    image = read_stages(ROOT / "Dockerfile")[-1]
    assert (ROOT / "Dockerfile").resolve() == DEPLOY / "Dockerfile"
    assert image.user == "10001:10001"
    assert image.env["FLASK_ENV"] == "production"
    assert (image.env["FLASK_HOST"], image.env["FLASK_PORT"]) == ("0.0.0.0", "8000")
    assert set(image.env) - {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"} <= VARIABLES
    assert image.ports == [8000, 9090]
    assert image.volumes == [image.env["GATELINE_DATA_DIR"]]
    assert image.entrypoint == ["gateline"]
    assert CliRunner().invoke(cli, [*image.command, "--help"]).exit_code == 0


def test_build_context_has_what_the_image_copies() -> None:
    """What the Dockerfile copies is neither missing nor ignored."""
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        name.rstrip("/") for stage in read_stages(ROOT / "Dockerfile") for name in stage.copies
    ]
    assert {"pyproject.toml", "requirements", "src", "docs"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept


def test_the_image_is_built_from_what_it_copies(tmp_path: Path) -> None:
    """The Dockerfile's own command installs the package, whole, from the copied files alone."""
    build = read_stages(ROOT / "Dockerfile")[0]
    context, installed = tmp_path / "context", tmp_path / "installed"
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in (one.rstrip("/") for one in build.copies):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=left_out)
        else:
            shutil.copy(source, context / name)
    (command,) = [run for run in build.runs if run.endswith(" .")]
    pip = [sys.executable, "-m", *command.replace("/opt/gateline/bin/", "").split()]
    done = subprocess.run(
        [*pip, "--no-index", "--ignore-installed", "--prefix", str(installed)],
        cwd=context,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = installed.glob("lib/*/site-packages/gateline")
    wanted = {path.relative_to(ROOT / "src/gateline") for path in _sources(ROOT / "src/gateline")}
    assert wanted <= {path.relative_to(package) for path in _sources(package)}
    assert (package / "web" / "docs" / "index.md").is_file()


def _sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.*") if "__pycache__" not in path.parts]
