"""Every service describes itself whole, in valid OpenAPI 3.1."""

import importlib
import re
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from gateline.policy.reasons import CONFLICT, REASONS
from gateline.shared.app import build_app
from gateline.shared.config import Settings
from gateline.shared.declarations import answers, declared, refuses, unlisted
from gateline.shared.middleware.auth import require_auth
from gateline.shared.middleware.validation import validate as reads
from gateline.shared.openapi import document
from gateline.shared.schemas.base import Schema
from gateline.shared.service_keys import require_service_key

SERVICES = (
    "gateline.auth",
    "gateline.api",
    "gateline.web",
    "gateline.sample.clinic",
    "gateline.sample.retail",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Thing(Schema):
    """A thing."""

    name: str
    size: int | None = None


@pytest.fixture
def somewhere() -> Settings:
    """Return settings of a service whose engines are nowhere: describing needs none."""
    return Settings.load(
        {
            "FLASK_ENV": "testing",
            "SECRET_KEY": "x" * 40,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
    )


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, somewhere: Settings) -> Flask:
    """Return each service's app."""
    app: Flask = importlib.import_module(request.param).create_app(somewhere)
    return app


def test_every_document_is_valid(service: Flask) -> None:
    """The document is OpenAPI 3.1 by its schema, references and examples included."""
    validate(document(service))


def test_every_route_is_described(service: Flask) -> None:
    """Nothing is answered that the document does not name, but files and what says why."""
    described = document(service)["paths"]
    missing = [
        f"{method} {rule.rule}"
        for rule in service.url_map.iter_rules()
        for method in METHODS
        if method in (rule.methods or ())
        and rule.endpoint != "static"
        and not declared(service.view_functions[rule.endpoint]).unlisted
        and method.lower()
        not in described.get(re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), {})
    ]
    assert missing == []


def test_every_view_says_what_it_answers(service: Flask) -> None:
    """No operation is left with an answer that nobody thought about."""
    silent = {
        rule.endpoint
        for rule in service.url_map.iter_rules()
        if rule.endpoint != "static"
        and not declared(service.view_functions[rule.endpoint]).unlisted
        and not declared(service.view_functions[rule.endpoint]).answers
    }
    assert silent == set()


def test_every_operation_has_its_own_name_and_a_summary(service: Flask) -> None:
    """Generated clients get one function for each operation, with a text."""
    found = [one for item in document(service)["paths"].values() for one in item.values()]
    names = [one["operationId"] for one in found]
    assert len(names) == len(set(names))
    assert all(one["summary"] and one["tags"] for one in found)


def test_reasons_of_refusals_are_known(service: Flask) -> None:
    """A refusal is described by reasons of the one list, each under its own status."""
    for key, response in document(service)["components"]["responses"].items():
        statuses = {REASONS[code].status for code in response["x-reasons"]}
        assert len(statuses) == 1, key


def _made(settings: Settings) -> dict[str, Any]:
    app = build_app("gateline.shared", service="things", settings=settings, database=False)

    @app.put("/things/<uuid:thing_id>")
    @answers(200, Thing)
    @refuses(CONFLICT)
    @require_auth(required_user_type="admin")
    @reads(body=Thing, error="No such thing")
    def put_thing(thing_id: str, body: Thing) -> str:
        """Write a thing.

        It is there afterwards.
        """
        return ""

    @app.post("/told")
    @answers(204)
    @require_service_key
    def told() -> str:
        """Take a word."""
        return ""

    @app.get("/secret")
    @unlisted("for the test")
    def secret() -> str:
        return ""

    return document(app)


def test_decorators_become_parameters_bodies_and_security(somewhere: Settings) -> None:
    """What a view is decorated with is what its operation says."""
    paths = _made(somewhere)["paths"]
    operation = paths["/things/{thing_id}"]["put"]
    assert operation["summary"] == "Write a thing."
    assert "It is there afterwards." in operation["description"]
    assert '"error": "No such thing"' in operation["description"]
    assert operation["x-user-types"] == ["admin"]
    assert operation["security"] == [{"bearer": []}, {"cookie": []}]
    assert operation["parameters"][0]["schema"] == {"type": "string", "format": "uuid"}
    assert operation["requestBody"]["required"]
    told = paths["/told"]["post"]
    assert told["security"] == [{"serviceKey": []}, {"serviceBearer": []}]
    assert "content" not in told["responses"]["204"]
    assert "/secret" not in paths


def test_statuses_follow_from_what_a_view_does(somewhere: Settings) -> None:
    """Each way to be refused is there, and none that cannot happen."""
    paths = _made(somewhere)["paths"]
    writing = set(paths["/things/{thing_id}"]["put"]["responses"])
    assert writing == {
        *("200", "400", "401", "403", "404", "405", "409", "413", "415", "429", "500", "503"),
    }
    assert set(paths["/livez"]["get"]["responses"]) == {"200", "400", "500", "503"}


def test_the_document_is_served_and_not_sent_twice(somewhere: Settings) -> None:
    """A client that has the document already is told so."""
    app = build_app("gateline.shared", service="things", settings=somewhere, database=False)
    client = app.test_client()
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert first.json is not None
    assert first.json["openapi"] == "3.1.0"
    assert again.status_code == 304
