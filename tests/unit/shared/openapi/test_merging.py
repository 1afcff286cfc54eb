"""The documents of several services become one, at the addresses that a gateway shows."""

from typing import Any

from gateline.policy.routes import Destination, Route, RouteTable
from gateline.policy.services import Service, endpoints_at
from gateline.shared.openapi.merging import Part, merged

SERVICES = {name: Service(name, endpoints_at(f"http://{name}")) for name in ("cats", "dogs", "web")}
ROUTES = RouteTable(
    [
        Route("cats", "/v1/cats/*", Destination("cats"), roles=frozenset({"cat"})),
        Route("dogs", "/v1/dogs/*", Destination("dogs"), auth="none"),
        Route(
            "me",
            "/v1/me/*",
            None,
            by_user_type={
                "cat": Destination("cats", replace=("/v1/me", "/v1/cats/me")),
                "dog": Destination("dogs", replace=("/v1/me", "/v1/dogs/me")),
            },
        ),
    ]
)


def _part(name: str, *paths: str, schema: Any = None) -> Part:
    answer = {"description": "", "content": {"application/json": {"schema": _ref("Pet")}}}
    operation = {"operationId": name, "tags": [name], "summary": name, "responses": {"200": answer}}
    document = {
        "info": {"title": f"Gateline: {name}"},
        "tags": [{"name": name}],
        "paths": {path: {"get": {**operation, "operationId": f"{name}{path}"}} for path in paths},
        "components": {"schemas": {"Pet": schema or {"type": "string"}}, "responses": {}},
    }
    return Part(frozenset({name}), document)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(operation: Any) -> Any:
    return operation["responses"]["200"]["content"]["application/json"]["schema"]


def test_only_what_a_route_leads_to_is_shown() -> None:
    """What a service answers for its neighbours stays between them."""
    whole = merged([_part("cats", "/v1/cats/{id}", "/internal", "/v1/dogs/{id}")], ROUTES, SERVICES)
    assert list(whole["paths"]) == ["/v1/cats/{id}"]


def test_own_paths_lead_to_each_kinds_service() -> None:
    """An address that depends on the kind of account says so and gives every shape."""
    parts = [
        _part("cats", "/v1/cats/me"),
        _part("dogs", "/v1/dogs/me", schema={"type": "integer"}),
    ]
    own = merged(parts, ROUTES, SERVICES)["paths"]["/v1/me"]["get"]
    assert own["x-user-types"] == ["cat", "dog"]
    assert _schema(own) == {"anyOf": [_ref("cats.Pet"), _ref("dogs.Pet")]}


def test_the_same_schema_is_shown_once() -> None:
    """Two services that mean the same by a name share it."""
    whole = merged([_part("cats", "/v1/cats"), _part("dogs", "/v1/dogs")], ROUTES, SERVICES)
    assert "Pet" in whole["components"]["schemas"]
    assert _schema(whole["paths"]["/v1/dogs"]["get"]) == _ref("Pet")


def test_the_gateways_refusals_are_added() -> None:
    """What the gateway refuses on the way is among the answers of the operation."""
    whole = merged([_part("cats", "/v1/cats"), _part("dogs", "/v1/dogs")], ROUTES, SERVICES)
    guarded = set(whole["paths"]["/v1/cats"]["get"]["responses"])
    open_to_all = set(whole["paths"]["/v1/dogs"]["get"]["responses"])
    assert {"401", "403", "502", "503", "504"} <= guarded
    assert guarded - open_to_all == {"401", "403"}
