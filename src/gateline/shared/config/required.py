"""The settings without which a service cannot do its work, besides what all of them check.

`Settings.load(service=…)` checks them together with everything else, so that a person mends a
configuration once and not setting by setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Required:
    """Fields that must be set, and what for; `everywhere` or in production only."""

    fields: tuple[str, ...]
    purpose: str
    everywhere: bool = False


_AUTH: Final = ("jwt_service_url", "service_key")
_TO_RENEW: Final = Required(
    _AUTH, "must be set in production: without it nobody logs in or stays so"
)

REQUIRED: Final[Mapping[str, Required]] = MappingProxyType(
    {
        "edge": _TO_RENEW,
        "web": _TO_RENEW,
        "jobs": Required(_AUTH, "is needed to call auth", everywhere=True),
    }
)


def missing_fields(service: str | None, values: Mapping[str, object]) -> dict[str, str]:
    """Return the fields that this service needs and `values` lack, each with what is wrong."""
    needed = REQUIRED.get(service or "")
    if needed is None or not (needed.everywhere or values.get("flask_env") == "production"):
        return {}
    return {field: needed.purpose for field in needed.fields if not values.get(field)}
