"""Where a browser may be sent."""

import pytest

from gateline.web.navigation import dashboard_of, known_kind, landing_with_login, local_path


@pytest.mark.parametrize("target", ["/", "/patient/dashboard", "/docs?page=2#top", "/a//b"])
def test_local_paths_are_kept(target: str) -> None:
    """A path on this site is a place to go on to."""
    assert local_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "patient",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        " /",
        "/a\nb",
        "/" + "a" * 3000,
    ],
)
def test_open_redirects_are_refused(target: str | None) -> None:
    """Whatever a browser could read as another site is no place to go on to."""
    assert local_path(target) is None


def test_known_kinds_have_dashboards() -> None:
    """Patients, doctors and institutions have a dashboard; others have none."""
    assert dashboard_of("doctor") == "/doctor/dashboard"
    assert dashboard_of("admin") is None
    assert known_kind("customer") is None


def test_landing_carries_kind_and_target() -> None:
    """The dialog's address names the kind of account and where to go on to, if both are sound."""
    assert landing_with_login() == "/?login=1"
    assert landing_with_login("doctor", "/doctor/dashboard") == (
        "/?login=1&as=doctor&next=/doctor/dashboard"
    )
    assert landing_with_login("queen", "//evil.example") == "/?login=1"


def test_landing_quotes_its_target() -> None:
    """A target with its own query stays one parameter."""
    assert landing_with_login(None, "/docs?a=1&b=2") == "/?login=1&next=/docs%3Fa%3D1%26b%3D2"
