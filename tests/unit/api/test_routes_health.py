"""The documented health address."""

from typing import Any


def test_health_is_told_without_a_session(api: Any) -> None:
    """Status, timestamp and version, as `/health` tells them."""
    answer = api.app.test_client().get("/api/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "healthy"
    assert {"timestamp", "version"} <= answer.json.keys()
    assert answer.json["service"] == "api"
