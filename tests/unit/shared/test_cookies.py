"""The session cookie's attributes and names."""

import pytest
from werkzeug.wrappers import Response

from gateline.shared.cookies import (
    clear_session_cookie,
    read_session_cookie,
    session_cookie_name,
    set_session_cookie,
)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    """HttpOnly, SameSite=Lax, for the whole site, with a life."""
    response = Response()
    set_session_cookie(response, "jwt", 900, secure=False)

    name, *attributes = response.headers["Set-Cookie"].split("; ")
    assert name == "gateline_session=jwt"
    assert {"Max-Age=900", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(attributes)
    assert "Secure" not in attributes


def test_under_tls_the_name_is_bound_to_the_host() -> None:
    """The `__Host-` prefix goes with Secure, Path=/ and no Domain, or browsers drop the cookie."""
    response = Response()
    set_session_cookie(response, "jwt", 900, secure=True)

    name, *attributes = response.headers["Set-Cookie"].split("; ")
    assert name == "__Host-gateline_session=jwt"
    assert {"Max-Age=900", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(attributes)
    assert not any(one.startswith("Domain") for one in attributes)


@pytest.mark.parametrize("secure", [True, False])
def test_clearing_names_the_same_cookie(secure: bool) -> None:
    """A cookie is only cleared by the same name, path and attributes."""
    response = Response()
    clear_session_cookie(response, secure=secure)
    cleared = response.headers["Set-Cookie"]

    assert cleared.startswith(f"{session_cookie_name(secure)}=;")
    assert "Max-Age=0" in cleared
    assert ("Secure" in cleared) is secure


def test_reading() -> None:
    """The token comes from parsed cookies or from the header itself."""
    assert read_session_cookie({"gateline_session": "jwt"}, secure=False) == "jwt"
    assert read_session_cookie("a=b; gateline_session=jwt; c=d", secure=False) == "jwt"
    assert read_session_cookie("gateline_session=", secure=False) is None
    assert read_session_cookie("", secure=False) is None


def test_a_planted_cookie_is_not_seen_under_tls() -> None:
    """The unprefixed name, which a subdomain or plain HTTP can set, counts for nothing."""
    header = "gateline_session=planted"

    assert read_session_cookie(header, secure=True) is None
    assert read_session_cookie(f"{header}; __Host-gateline_session=own", secure=True) == "own"
