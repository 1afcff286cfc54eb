"""What the edge would refuse to build is told without building anything that stays."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateline.cli.reading import settings_of_nobody
from gateline.edge.rehearsal import problems
from gateline.edge.upstream.request import HeadEncoder
from gateline.policy.services import Service, TlsPolicy, endpoints_at
from gateline.shared.gateway import GatewayFileError
from gateline.shared.gateway.loading import plan_of
from gateline.shared.gateway.source import Source

FILE = """[services.shop]
url = "http://shop:9000"
protocol = "http1"
"""
SHOP = Service("shop", endpoints_at("http://shop:9000", "unix:///run/shop.sock"))


def found(*services: Service) -> list[tuple[int, str, str]]:
    """Return line, field and words of what is wrong with services of the file."""
    source = Source.parse(FILE, Path("gateline.toml"))
    return [(one.line, one.field, one.message) for one in problems(source, services)]


def test_what_can_be_built_has_no_problem() -> None:
    """Nothing is looked up and nothing connected for that."""
    assert found(SHOP) == []


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
    """It is named by its line, once; those that are not of the file are no business of it."""
    alien = Service("auth", endpoints_at("ftp://auth"))

    ((line, field, said),) = found(service, SHOP, alien)

    assert (line, field) == (1, "services.shop")
    assert message in said


def test_http2_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting that asks for it is named."""
    monkeypatch.setattr("gateline.edge.rehearsal.find_spec", lambda _: None)

    assert found(replace(SHOP, protocol="http2")) == [
        (3, "services.shop.protocol", "needs a library that is not installed here")
    ]


TEXTS = st.text("/a.é \n%2F{}:?#*;\\@", max_size=6)


@settings(deadline=None)
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
    parsed = Source.parse(source, Path("gateline.toml"))
    try:
        plan = plan_of(parsed, settings_of_nobody())
    except GatewayFileError:
        return
    shop = plan.services["shop"]
    assert list(problems(parsed, [shop])) == []
    destination = plan.routes[0].destination
    assert destination is not None
    assert shop.probe is not None
    headers = [(b"x-user-type", plan.api_keys[0].user_type.encode("utf-8"))]
    for path in (destination.path("/api/shop/x", shop.prefix), shop.probe.path):
        HeadEncoder().encode(b"GET", path.encode("ascii"), headers, b"", b"shop")
