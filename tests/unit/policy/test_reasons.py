"""Every refusal has one stable reason."""

import re

from gateline.policy.reasons import REASONS


def test_codes() -> None:
    """Codes are single words for logs and metrics, statuses are errors, texts are whole."""
    for code, reason in REASONS.items():
        assert code == reason.code
        assert re.fullmatch(r"[a-z_]+", code)
        assert 400 <= reason.status < 600
        assert reason.error
        assert reason.message.endswith(".")
