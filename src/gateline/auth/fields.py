"""The kinds of values that the auth service reads, in whatever payload they stand."""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, StringConstraints

from gateline.shared.config.checks import USER_NAME

_PASSWORD_MIN: Final = 8
_PASSWORD_MAX: Final = 256
_DEVICE_INFO_MAX: Final = 4096

UserType = Literal["patient", "doctor", "institution", "admin", "customer"]
OpenUserType = Literal["patient", "doctor", "institution", "customer"]
"""The kinds of account that may be made from outside; administrators are made by administrators."""

# A password is taken as it is typed: blanks around it belong to it.
TypedPassword = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=1, max_length=_PASSWORD_MAX)
]
NewPassword = Annotated[
    str,
    StringConstraints(strip_whitespace=False, min_length=_PASSWORD_MIN, max_length=_PASSWORD_MAX),
]
Name = Annotated[str, StringConstraints(max_length=100)]
UserName = Annotated[str, StringConstraints(pattern=USER_NAME)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,32}$")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


def _web_address(value: str) -> str:
    # Shown as an image by other services: a javascript: address must not get that far.
    scheme, separator, _ = value.partition(":")
    if separator and "/" not in scheme and scheme.lower() not in {"http", "https"}:
        raise ValueError("must be an http or https address")
    return value


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _DEVICE_INFO_MAX:
        msg = f"must not be longer than {_DEVICE_INFO_MAX} characters of JSON"
        raise ValueError(msg)
    return value


Picture = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_web_address)]
DeviceInfo = Annotated[dict[str, Any], AfterValidator(_small)]
