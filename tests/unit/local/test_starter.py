"""The gateway file that somebody starts from."""

from pathlib import Path

import pytest

from gateline.local.inspection import Found
from gateline.local.starter import route_path, service_name, starter
from gateline.shared.gateway.checking import check
from gateline.shared.gateway.source import Source

SHOP = Found("shop:create_app", "shop.py", paths=("/api/shop/items", "/api/shop/items/<id>"))
BARE = Found("wsgi:app", "wsgi.py", paths=("/", "/items"))
API = Found("shop:app", "shop.py", paths=("/api/items", "/api/orders"))
ASGI = Found("fast.main:app", "Procfile", "asgi")
INNER = Found("app:create_app", "backend/app.py", directory="backend")
CALLED = Found("shop:create_app()", "Procfile")
OURS = Found("auth:app", "auth.py")


@pytest.mark.parametrize(
    "found",
    [[], [SHOP], [BARE], [API], [ASGI], [INNER], [CALLED], [OURS], [SHOP, BARE, ASGI, INNER]],
)
def test_it_is_right_as_it_stands(tmp_path: Path, found: list[Found]) -> None:
    """What we write ourselves passes our own check without a warning."""
    (tmp_path / "backend").mkdir()
    for name in ("shop.py", "wsgi.py", "auth.py", "backend/app.py"):
        (tmp_path / name).touch()
    path = tmp_path / "gateline.toml"
    path.write_text(starter(found, Path("/srv/corner-shop"), "file:///schema.json"))

    checked = check(Source.read(path))

    assert checked.errors == ()
    assert checked.warnings == ()
    assert len(checked.services) == len(checked.routes) == 1


def test_it_is_right_with_every_comment_taken_away(tmp_path: Path) -> None:
    """Each suggestion may be taken as it is written."""
    (tmp_path / "backend").mkdir()
    text = starter([SHOP, INNER], Path("/srv/shop"), "file:///schema.json")
    lines = [
        line.removeprefix("# ")
        for line in text.splitlines()
        if not line.startswith(("# url", "#:", "# The gateway", "# running", "# Found"))
    ]
    path = tmp_path / "gateline.toml"
    path.write_text("\n".join(lines))

    assert check(Source.read(path)).errors == ()


def test_a_service_in_a_folder_is_named_after_it() -> None:
    """Of several apps called `app` each has its own name; `auth` is one of the platform's."""
    stock = Found("app:create_app", "services/stock/app.py", directory="services/stock")

    assert service_name(stock, Path("/srv/code")) == "stock"
    assert service_name(OURS, Path("/srv/code")) == "my-auth"


@pytest.mark.parametrize(
    ("target", "folder", "name"),
    [
        ("shop:create_app", "/srv/code", "shop"),
        ("app:create_app", "/srv/Corner Shop", "corner-shop"),
        ("src.wsgi:app", "/srv/7", "app"),
        ("my_shop.main:app", "/srv/x", "my-shop"),
    ],
)
def test_a_service_is_named_after_what_tells_most(target: str, folder: str, name: str) -> None:
    """A module called `app` tells nothing, its folder may."""
    assert service_name(Found(target, ""), Path(folder)) == name


@pytest.mark.parametrize(
    ("paths", "route"),
    [
        (("/api/shop/items", "/api/shop/<id>"), ("/api/shop/*", None)),
        (("/shop", "/shop/<id>", "/health"), ("/shop/*", None)),
        (("/api/items", "/api/orders"), ("/api/shop/*", "/api")),
        (("/", "/items"), ("/api/shop/*", "")),
        (("/",), ("/api/shop/*", "")),
        ((), ("/api/shop/*", None)),
    ],
)
def test_the_path_is_what_the_views_share(
    paths: tuple[str, ...], route: tuple[str, str | None]
) -> None:
    """An app that starts at its root is given a prefix, which it does not see."""
    assert route_path(Found("a:b", "a.py", paths=paths), "shop") == route
