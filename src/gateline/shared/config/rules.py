"""What each setting must be, and what production refuses.

The checks sit in a base class of `Settings` and see, in `info.data`, the settings declared before
theirs: `flask_env` comes first. Each reports for itself, so that all problems are listed at once.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from gateline.policy.clients import Network
from gateline.shared.config import checks

List = Annotated[tuple[str, ...], BeforeValidator(checks.comma_list)]
Addresses = Annotated[
    tuple[str, ...],
    AfterValidator(checks.named_urls),
    BeforeValidator(checks.comma_list),
]
Networks = Annotated[
    tuple[Network, ...],
    BeforeValidator(checks.networks),
    BeforeValidator(checks.comma_list),
]
Transports = Annotated[
    tuple[Literal["polling", "websocket"], ...],
    BeforeValidator(checks.comma_list),
    Field(min_length=1),
]
Limited = Annotated[str, AfterValidator(checks.rate_limit)]
Url = Annotated[str, AfterValidator(checks.service_url)]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, le=3600)]

UP_HINT: Final = "is not set: run `gateline up` (it makes one) or set it"


class Rules(BaseSettings):
    """The checks of single settings."""

    @field_validator("log_level", mode="before", check_fields=False)
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("debug", check_fields=False)
    @classmethod
    def _debug(cls, value: bool, info: ValidationInfo) -> bool:
        if value and _in_production(info):
            raise ValueError("must be off in production")
        return value

    @field_validator("secret_key", check_fields=False)
    @classmethod
    def _secret_key(cls, value: str, info: ValidationInfo) -> str:
        return _checked_secret(value, info)

    @field_validator("jwt_secret_key", check_fields=False)
    @classmethod
    def _jwt_secret_key(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return str(info.data.get("secret_key", ""))
        return _checked_secret(value, info)

    @field_validator("jwt_previous_secret_keys", check_fields=False)
    @classmethod
    def _previous_keys(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(_checked_secret(value, info) for value in values)

    @field_validator("jwt_keys_file", check_fields=False)
    @classmethod
    def _keys_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        algorithm = str(info.data.get("jwt_algorithm", "HS256"))
        if value is None and not algorithm.startswith("HS"):
            raise ValueError(f"must name a JSON key set for JWT_ALGORITHM={algorithm}")
        if value is not None and not value.is_file():
            raise ValueError("must name a file that is there")
        return value

    @field_validator("database_url", check_fields=False)
    @classmethod
    def _database_url(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            raise ValueError("must be set in production" if _in_production(info) else UP_HINT)
        return checks.database_url(value)

    @field_validator("redis_url", check_fields=False)
    @classmethod
    def _redis_url(cls, value: str) -> str:
        return checks.redis_url(value)

    @field_validator("allowed_hosts", check_fields=False)
    @classmethod
    def _allowed_hosts(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if _in_production(info) and (not values or "*" in values):
            raise ValueError("must list the public host names in production: api.example.com")
        return checks.allowed_hosts(values)

    @field_validator("cors_origins", check_fields=False)
    @classmethod
    def _cors_origins(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if _in_production(info) and "*" in values:
            raise ValueError("must list exact origins in production, not *")
        return checks.cors_origins(values)

    @field_validator("service_keys", check_fields=False)
    @classmethod
    def _service_keys(cls, value: str, info: ValidationInfo) -> str:
        return checks.service_keys(value, production=_in_production(info))

    @field_validator("service_key", check_fields=False)
    @classmethod
    def _service_key(cls, value: str, info: ValidationInfo) -> str:
        return _checked_secret(value, info) if value else value

    @field_validator("admin_username", check_fields=False)
    @classmethod
    def _admin_username(cls, value: str) -> str:
        return checks.user_name_or_address(value)

    @field_validator("admin_password", check_fields=False)
    @classmethod
    def _admin_password(cls, value: str, info: ValidationInfo) -> str:
        if value and _in_production(info) and (weakness := checks.password_weakness(value)):
            raise ValueError(weakness)
        return value

    @field_validator("gateline_sample_password", check_fields=False)
    @classmethod
    def _sample_password(cls, value: str, info: ValidationInfo) -> str:
        if value and _in_production(info):
            raise ValueError("must not be set in production: sample accounts are for trying out")
        return value


def _in_production(info: ValidationInfo) -> bool:
    return info.data.get("flask_env") == "production"


def _checked_secret(value: str, info: ValidationInfo) -> str:
    if _in_production(info) and (weakness := checks.secret_weakness(value)):
        raise ValueError(weakness)
    if not value:
        raise ValueError(UP_HINT)
    return value
