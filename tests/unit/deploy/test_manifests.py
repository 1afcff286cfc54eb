"""The files under deploy/ are valid, and speak of settings and commands that there are."""

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from gateline.local.services import SERVICES
from gateline.shared.config import Settings
from gateline.shared.config.settings import variables_of

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
KUBERNETES = "1.37"
VARIABLES = {name for field in Settings.model_fields for name in variables_of(field)}
MANIFESTS = [
    pytest.param(document, id=f"{path.name}-{document['metadata']['name']}")
    for path in sorted((DEPLOY / "k8s").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
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


def test_every_deployment_serves_a_part_that_there_is() -> None:
    """The arguments of each container are a command that exists."""
    documents: list[dict[str, Any]] = [dict(one.values[0]) for one in MANIFESTS]  # type: ignore[call-overload]
    for document in documents:
        if document["kind"] == "Deployment":
            container = document["spec"]["template"]["spec"]["containers"][0]
            assert container["args"][0] == "serve"
            assert container["args"][1] in SERVICES


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
    """The image's last words: a user that is not root, production, and a command that exists."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert (ROOT / "Dockerfile").resolve() == DEPLOY / "Dockerfile"
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "FLASK_ENV=production" in final
    assert 'ENTRYPOINT ["gateline"]' in final
    assert 'CMD ["up"]' in final


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "docs", "pyproject.toml", "requirements"])
def test_build_context_has_what_the_image_copies(name: str) -> None:
    """What the Dockerfile copies is neither missing nor ignored."""
    assert (ROOT / name).exists()
    assert f"!{name}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
