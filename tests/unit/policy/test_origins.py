"""Another site cannot make a browser act."""

import pytest

from gateline.policy.origins import is_cross_site


def _check(
    method: str = "POST",
    site: str | None = None,
    origin: str | None = None,
    trusted: tuple[str, ...] = (),
) -> bool:
    return is_cross_site(
        method,
        sec_fetch_site=site,
        origin=origin,
        host="app.example:8000",
        scheme="http",
        trusted=trusted,
    )


@pytest.mark.parametrize(
    ("site", "origin", "refused"),
    [
        ("same-origin", None, False),
        ("none", None, False),
        ("cross-site", None, True),
        ("same-site", None, True),
        ("cross-site", "http://app.example:8000", True),
        (None, None, False),
        (None, "http://app.example:8000", False),
        (None, "HTTP://APP.example:8000", False),
        (None, "http://app.example", True),
        (None, "https://app.example:8000", True),
        (None, "http://evil.example", True),
        (None, "null", True),
    ],
)
def test_unsafe_methods(site: str | None, origin: str | None, refused: bool) -> None:
    """Fetch metadata decide, Origin where there are none, and no browser at all passes."""
    assert _check(site=site, origin=origin) is refused


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass(method: str) -> None:
    """Reading is never refused here."""
    assert not _check(method, site="cross-site", origin="http://evil.example")


def test_trusted_origins_pass() -> None:
    """A listed origin may post, whatever the fetch metadata say."""
    origin = "https://front.example"
    assert not _check(site="cross-site", origin=origin, trusted=(origin,))
