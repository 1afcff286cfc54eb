"""The settings of every process, their meaning and their limits.

The descriptions are the reference: `.env.example` and the documentation are generated from them.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateline.shared.config import layers
from gateline.shared.config.problems import ConfigError, Problem
from gateline.shared.config.required import missing_fields
from gateline.shared.config.rules import (
    Addresses,
    Limited,
    List,
    Networks,
    Port,
    Positive,
    Rules,
    Seconds,
    Transports,
    Url,
)


def _setting(
    default: Any, group: str, description: str, *variables: str, secret: bool = False
) -> Any:
    """Declare a setting; `variables` are its names in the environment, most preferred first."""
    return Field(
        default,
        description=description,
        validation_alias=AliasChoices(*variables) if variables else None,
        repr=not secret,
        json_schema_extra={"group": group, "secret": secret},
    )


class Settings(Rules):
    """Everything a process can be told from outside. Immutable; build it with `Settings.load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    flask_env: Literal["development", "production", "testing"] = _setting(
        "development",
        "Application",
        "What the process is for: development, testing or production. Production refuses to start "
        "on a missing or weak setting.",
        "FLASK_ENV",
    )
    debug: bool = _setting(
        False,
        "Application",
        "Debug mode of `flask run`, as with `--debug`: reloads on change. Refused in production.",
        "DEBUG",
        "FLASK_DEBUG",
    )
    flask_host: str = _setting(
        "127.0.0.1",
        "Application",
        "Address the public port listens on; 0.0.0.0 in containers.",
        "FLASK_HOST",
    )
    flask_port: Port = _setting(8000, "Application", "The public port.", "FLASK_PORT")
    allowed_hosts: List = _setting(
        (),
        "Application",
        "Host names that are answered, separated by commas; `*.example.com` stands for every name "
        "below it. Empty: any. Required in production.",
        "ALLOWED_HOSTS",
    )
    trusted_proxies: Networks = _setting(
        "127.0.0.0/8,::1",
        "Application",
        "Addresses or networks whose X-Forwarded-* headers are believed.",
        "TRUSTED_PROXIES",
    )
    edge_trusted_proxies: Networks = _setting(
        "",
        "Application",
        "Addresses or networks of proxies and load balancers in front of the edge, whose "
        "X-Forwarded-* headers, else Forwarded, it believes; from anybody else they are replaced.",
        "EDGE_TRUSTED_PROXIES",
    )
    cors_origins: List = _setting(
        (),
        "Application",
        "Origins whose pages may call the API with credentials, separated by commas; "
        "`*` (any, without credentials) is refused in production.",
        "CORS_ORIGINS",
    )
    max_body_bytes: Positive = _setting(
        10 * 1024 * 1024,
        "Application",
        "Largest request body accepted, in bytes.",
        "MAX_BODY_BYTES",
    )
    gateline_data_dir: Path = _setting(
        layers.DATA_DIR_DEFAULT,
        "Application",
        "Folder in which `gateline up` keeps engines, their data and generated secrets.",
        "GATELINE_DATA_DIR",
    )
    gateline_config: Path = _setting(
        "gateline.toml",
        "Application",
        "The gateway file: a project's own services and routes. Without one the platform serves "
        "with its samples.",
        "GATELINE_CONFIG",
    )
    gateline_apps: Addresses = _setting(
        (),
        "Application",
        "Where the apps of the gateway's file are served, as name=url,name=url. Those that "
        "`gateline up` serves it knows by itself.",
        "GATELINE_APPS",
    )

    secret_key: str = _setting(
        "",
        "Secrets",
        "Signs what the services hand out; at least 32 random bytes in production.",
        "SECRET_KEY",
        secret=True,
    )
    jwt_secret_key: str = _setting(
        "", "Secrets", "Signs tokens. Empty: SECRET_KEY is used.", "JWT_SECRET_KEY", secret=True
    )
    jwt_previous_secret_keys: List = _setting(
        (),
        "Secrets",
        "Former JWT_SECRET_KEY values, separated by commas: tokens signed with them stay valid "
        "until they expire.",
        "JWT_PREVIOUS_SECRET_KEYS",
        secret=True,
    )
    jwt_algorithm: Literal[
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA", "Ed25519"
    ] = _setting(
        "HS256",
        "Tokens",
        "Signature algorithm of tokens: HS256, or RS256, ES256, EdDSA with JWT_KEYS_FILE.",
        "JWT_ALGORITHM",
    )
    jwt_keys_file: Path | None = _setting(
        None,
        "Tokens",
        "JSON key set (current key first) for rotation or asymmetric algorithms.",
        "JWT_KEYS_FILE",
    )
    jwt_issuer: str = _setting("gateline", "Tokens", "Required `iss` of tokens.", "JWT_ISSUER")
    jwt_audience: str = _setting("gateline", "Tokens", "Required `aud` of tokens.", "JWT_AUDIENCE")
    access_token_minutes: Positive = _setting(
        30,
        "Tokens",
        "Life of an access token, in minutes.",
        "JWT_ACCESS_TOKEN_EXPIRE_MINUTES",
        "ACCESS_TOKEN_EXPIRE_MINUTES",
    )
    refresh_token_days: Positive = _setting(
        30, "Tokens", "Life of a refresh token, in days.", "REFRESH_TOKEN_EXPIRE_DAYS"
    )
    session_idle_seconds: Positive = _setting(
        900, "Tokens", "An unused session ends after this many seconds.", "SESSION_IDLE_SECONDS"
    )
    session_absolute_hours: Positive = _setting(
        12,
        "Tokens",
        "A browser's session ends after this many hours however much it is used.",
        "SESSION_ABSOLUTE_HOURS",
    )

    database_url: str = _setting(
        "",
        "Storage",
        "PostgreSQL from 13 on, as postgresql://user:password@host:5432/name. Unset outside "
        "production: the server that `gateline up` runs.",
        "DATABASE_URL",
        "SQLALCHEMY_DATABASE_URI",
        secret=True,
    )
    database_pool_size: Positive = _setting(
        5, "Storage", "Connections kept open per process.", "DATABASE_POOL_SIZE"
    )
    database_max_overflow: Annotated[int, Field(ge=0)] = _setting(
        10, "Storage", "Connections opened beyond that at peaks.", "DATABASE_MAX_OVERFLOW"
    )
    database_pool_timeout: Seconds = _setting(
        5, "Storage", "Seconds to wait for a free connection.", "DATABASE_POOL_TIMEOUT"
    )
    database_connect_timeout: Positive = _setting(
        5, "Storage", "Seconds to wait for PostgreSQL to answer.", "DATABASE_CONNECT_TIMEOUT"
    )
    database_statement_timeout: Seconds = _setting(
        30, "Storage", "Seconds after which a statement is cancelled.", "DATABASE_STATEMENT_TIMEOUT"
    )
    redis_url: str = _setting(
        "redis://127.0.0.1:6379/0",
        "Storage",
        "Valkey or Redis from 6.2 on, as redis://host:6379/0. Unset outside production: the server "
        "that `gateline up` runs. While none is there, sessions are refused with 503 and each "
        "process counts its limits alone.",
        "REDIS_URL",
        secret=True,
    )
    redis_max_connections: Positive = _setting(
        50, "Storage", "Most connections to Valkey per process.", "REDIS_MAX_CONNECTIONS"
    )
    redis_timeout: Seconds = _setting(
        2, "Storage", "Seconds to wait for an answer of Valkey.", "REDIS_TIMEOUT"
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = _setting(
        "INFO", "Sight", "DEBUG, INFO, WARNING, ERROR or CRITICAL.", "LOG_LEVEL"
    )
    log_format: Literal["text", "json"] = _setting(
        "text", "Sight", "text, or json for one object a line.", "LOG_FORMAT"
    )
    log_file: Path | None = _setting(
        None, "Sight", "Also log to this file, rotated at LOG_MAX_BYTES.", "LOG_FILE"
    )
    log_max_bytes: Positive = _setting(
        10 * 1024 * 1024, "Sight", "Size at which the log file is rotated.", "LOG_MAX_BYTES"
    )
    log_backups: Positive = _setting(5, "Sight", "Rotated log files kept.", "LOG_BACKUPS")
    metrics_host: str = _setting(
        "127.0.0.1",
        "Sight",
        "Address on which Prometheus finds the metrics; 0.0.0.0 in containers.",
        "METRICS_HOST",
    )
    metrics_port: Port = _setting(
        9090,
        "Sight",
        "Port on which Prometheus finds the metrics; 0 for any free one (`gateline serve`: none).",
        "METRICS_PORT",
    )
    prometheus_multiproc_dir: Path | None = _setting(
        None,
        "Sight",
        "Folder in which all processes keep their figures for one common scrape. Only read from "
        "the environment, when a process starts; `gateline up` sets it.",
        "PROMETHEUS_MULTIPROC_DIR",
    )

    rate_limit_default: Limited = _setting(
        "600/minute",
        "Limits",
        "Requests per client on every endpoint that states nothing else, and on every route of "
        "the gateway file that does.",
        "RATE_LIMIT_DEFAULT",
    )
    edge_rate_limit: Limited = _setting(
        "6000/minute",
        "Limits",
        "Requests per client to what the edge answers itself (health, API description, handshakes "
        "and polls of its own sockets), counted in each worker alone.",
        "EDGE_RATE_LIMIT",
    )
    login_rate_limit: Limited = _setting(
        "10/minute",
        "Limits",
        "Login attempts per account and client network.",
        "LOGIN_RATE_LIMIT",
    )
    service_rate_limit: Limited = _setting(
        "100/minute",
        "Limits",
        "Requests per calling service on service-to-service endpoints.",
        "SERVICE_RATE_LIMIT",
    )

    service_keys: str = _setting(
        "",
        "Services",
        "Keys accepted from calling services, as name:key,name:key; besides those kept in the "
        "database.",
        "SERVICE_KEYS",
        secret=True,
    )
    service_key: str = _setting(
        "", "Services", "The key with which this process calls auth.", "SERVICE_KEY", secret=True
    )
    jwt_service_url: Url | None = _setting(
        None, "Services", "Address of the auth service.", "JWT_SERVICE_URL"
    )
    doctor_service_url: Url | None = _setting(
        None, "Services", "Address of the doctors service.", "DOCTOR_SERVICE_URL"
    )
    patient_service_url: Url | None = _setting(
        None, "Services", "Address of the patients service.", "PATIENT_SERVICE_URL"
    )
    institution_service_url: Url | None = _setting(
        None, "Services", "Address of the institutions service.", "INSTITUTION_SERVICE_URL"
    )
    admin_service_url: Url | None = _setting(
        None, "Services", "Address of the admins service.", "ADMIN_SERVICE_URL"
    )
    user_service_url: Url | None = _setting(
        None, "Services", "Address of the user service (registration).", "USER_SERVICE_URL"
    )
    edge_processor_url: Url | None = _setting(
        None, "Services", "Address of the processor of camera events.", "EDGE_PROCESSOR_URL"
    )
    web_service_url: Url | None = _setting(
        None, "Services", "Address of the web service.", "WEB_SERVICE_URL"
    )
    api_service_url: Url | None = _setting(
        None, "Services", "Address of the users and orders service.", "API_SERVICE_URL"
    )
    upstream_timeout: Seconds = _setting(
        10, "Services", "Seconds a proxied request may take, retries included.", "UPSTREAM_TIMEOUT"
    )
    upstream_breaker: bool = _setting(
        True,
        "Services",
        "Leave a platform service alone for 5 s when half of at least 20 answers in 10 s failed.",
        "UPSTREAM_BREAKER",
    )

    gateline_socketio_events: str = _setting(
        "",
        "Sockets",
        "One's own Socket.IO events: module:function, called with the server when the edge starts.",
        "GATELINE_SOCKETIO_EVENTS",
    )
    gateline_socketio_transports: Transports = _setting(
        "polling,websocket",
        "Sockets",
        "What Socket.IO clients may use. Polling needs sticky sessions where several edges or "
        "workers serve: say websocket there, which is the default with `--workers 2` or more.",
        "GATELINE_SOCKETIO_TRANSPORTS",
    )
    gateline_max_sockets: Positive = _setting(
        5000,
        "Sockets",
        "Live connections (WebSocket and Socket.IO) that one worker of the edge holds; each takes "
        "up to 190 kB.",
        "GATELINE_MAX_SOCKETS",
    )
    gateline_max_sockets_per_client: Positive = _setting(
        500,
        "Sockets",
        "Those of them that one client's address (of IPv6 its /64) may have in one worker.",
        "GATELINE_MAX_SOCKETS_PER_CLIENT",
    )
    gateline_socket_idle: Seconds = _setting(
        3600,
        "Sockets",
        "Seconds without a message after which a WebSocket to a service is closed.",
        "GATELINE_SOCKET_IDLE",
    )

    admin_username: str = _setting(
        "admin",
        "Accounts",
        "User name, or e-mail address, of the first administrator.",
        "ADMIN_USERNAME",
    )
    admin_password: str = _setting(
        "",
        "Accounts",
        "Password of the first administrator. Without one, where there is no administrator at all, "
        "it is made up and printed once.",
        "ADMIN_PASSWORD",
        secret=True,
    )
    history_retention_days: Annotated[int, Field(ge=0, le=36_500)] = _setting(
        365,
        "Accounts",
        "Days that the audit trail and sessions that are over are kept; 0 keeps them for good.",
        "HISTORY_RETENTION_DAYS",
    )
    gateline_sample_password: str = _setting(
        "",
        "Accounts",
        "One password for all sample accounts. Refused in production.",
        "GATELINE_SAMPLE_PASSWORD",
        secret=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 # pydantic-settings names it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # pydantic-settings names it
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # pydantic-settings names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # pydantic-settings names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what the caller hands in: `load` has gathered the layers."""
        return (init_settings,)

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
        service: str | None = None,
        **overrides: Any,
    ) -> Self:
        """Gather and check the settings; raise ConfigError listing everything that is wrong.

        Precedence: `overrides` (None counts as not given), `environ` (default: the process's),
        then in `folder` (default: the working folder) `.env`, class `Config` of `config.py` and,
        outside production, what `gateline up` wrote to `<data folder>/env`. With `service` what
        that one cannot do without (`required`) must be there as well.
        """
        known = {name: variables_of(name) for name in cls.model_fields}
        try:
            values = layers.gather(
                known,
                os.environ if environ is None else environ,
                folder or Path.cwd(),
                overrides,
            )
        except layers.UnreadableLayer as error:
            raise ConfigError([Problem("settings", str(error))]) from error
        missing = missing_fields(service, values)
        lacking = [Problem(variables_of(field)[0], why) for field, why in missing.items()]
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise ConfigError([*_problems(error), *lacking]) from None
        if lacking:
            raise ConfigError(lacking)
        return settings

    @property
    def production(self) -> bool:
        """Whether this process serves real people."""
        return self.flask_env == "production"


def variables_of(field: str) -> tuple[str, ...]:
    """Return the environment variables that set a field, the preferred one first."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (field.upper(),)


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(_variable(str(item["loc"][0])), _message(item["msg"]))
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _variable(location: str) -> str:
    return variables_of(location)[0] if location in Settings.model_fields else location


def _message(text: str) -> str:
    """Turn pydantic's sentence into the end of one that starts with the variable's name."""
    text = text.removeprefix("Value error, ").replace("Input should", "must")
    return text[:1].lower() + text[1:]
