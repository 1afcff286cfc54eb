"""What the edge would refuse to build is told without building anything that stays."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateline.cli.reading import settings_of_nobody
from gateline.edge.rehearsal import faults
from gateline.edge.upstream.request import HeadEncoder
from gateline.policy.cors import CorsPolicy
from gateline.policy.routes import Destination, Route
from gateline.policy.services import Service, TlsPolicy, endpoints_at
from gateline.shared.gateway import GatewayFileError, GatewayPlan
from gateline.shared.gateway.loading import plan_of
from gateline.shared.gateway.source import Source

SHOP = Service("shop", endpoints_at("http://shop:9000", "unix:///run/shop.sock"))


def plan_with(*routes: Route) -> GatewayPlan:
    """Return a plan that has these routes alone."""
    return GatewayPlan(
        path=None,
        version="test",
        services={},
        routes=routes,
        allowed_hosts=(),
        cors=CorsPolicy(),
        trusted_proxies=(),
        max_body_bytes=1,
    )


def test_what_can_be_built_has_no_fault() -> None:
    """Nothing is looked up and nothing connected for that."""
    route = Route("shop", "/api/shop/*", Destination("shop"))

    assert list(faults(plan_with(route), [SHOP])) == []


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (Service("shop", endpoints_at("ftp://shop")), "an upstream is http://"),
        (
            Service("shop", endpoints_at("https://shop"), tls=TlsPolicy(ca_file="/nowhere")),
            "no authorities in /nowhere",
        ),
    ],
)
def test_a_service_that_cannot_be_built(service: Service, message: str) -> None:
    """It is named, and the others are looked at all the same."""
    (fault,) = faults(plan_with(), [service, SHOP])

    assert fault[0] == ("services", "shop")
    assert message in fault[1]


def test_routes_that_cannot_be_told_apart() -> None:
    """The edge's own routes count too."""
    (fault,) = faults(plan_with(Route("mine", "/livez", Destination("shop"))), [])

    assert fault[0] == ("routes",)
    assert "both claim /livez" in fault[1]


TEXTS = st.text("/a.é \n%2F{}:?#*;\\@", max_size=6)


@given(place=st.sampled_from(("url", "prefix", "check", "rewrite", "user")), text=TEXTS)
def test_what_is_called_right_can_be_built_and_sent(place: str, text: str) -> None:
    """Whatever a person writes is an error of the file or makes requests that can be sent."""
    written = dict.fromkeys(("prefix", "check", "rewrite"), "/a")
    written |= {"url": "http://shop", "user": "till"}
    written[place] += text
    url, prefix, check, rewrite, user = (
        json.dumps(written[name]) for name in ("url", "prefix", "check", "rewrite", "user")
    )
    source = f"""
[services.shop]
url = {url}
prefix = {prefix}
health_check = {{ path = {check} }}
[[routes]]
path = "/api/shop/*"
service = "shop"
accept = "key"
rewrite_prefix = {rewrite}
[[api_keys]]
name = "till"
sha256 = "{"ab" * 32}"
user_type = {user}
"""
    try:
        plan = plan_of(Source.parse(source, Path("gateline.toml")), settings_of_nobody())
    except GatewayFileError:
        return
    shop = plan.services["shop"]
    assert list(faults(plan, [shop])) == []
    destination = plan.routes[0].destination
    assert destination is not None
    assert shop.probe is not None
    headers = [(b"x-user-type", plan.api_keys[0].user_type.encode("utf-8"))]
    for path in (destination.path("/api/shop/x", shop.prefix), shop.probe.path):
        HeadEncoder().encode(b"GET", path.encode("ascii"), headers, b"", b"shop")
