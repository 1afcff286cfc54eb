"""The api service as a whole."""

from typing import Any


def test_every_view_needs_a_session(api: Any) -> None:
    """Only health is open; everything else answers 401 to somebody without a session."""
    client = api.app.test_client()
    rules = [rule for rule in api.app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    guarded = [rule for rule in rules if rule.rule != "/api/health"]
    assert len(guarded) == len(rules) - 1 >= 7
    for rule in guarded:
        path = rule.rule.replace("<order_id>", "order_1")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            assert client.open(path, method=method, json={}).status_code == 401, (method, path)


def test_a_session_ends_here_too(api: Any) -> None:
    """A token whose entry was deleted in Valkey is refused with the next request."""
    caller = api.log_in()
    assert caller("GET", "/api/users/me").status_code == 200
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    api.app.extensions["gateline"].sessions.drop(token)
    assert caller("GET", "/api/users/me").status_code == 401
