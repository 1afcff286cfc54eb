"""Everything about a platform that is known before anything is started: checked, then fixed."""

import hashlib
import hmac
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateline.local import environment
from gateline.local.apps import App, apps_of
from gateline.local.data_folder import DataFolder
from gateline.local.engines import Postgres, Valkey
from gateline.local.following import Stamp, stamp
from gateline.local.ports import METRICS, reserve
from gateline.local.schemas import fingerprint
from gateline.local.services import SERVICES, ServiceProgram
from gateline.shared.config import Settings
from gateline.shared.config.settings import variables_of
from gateline.shared.gateway import GatewayPlan, load_plan
from gateline.shared.gateway.apps import named_addresses

DATABASE_NAME = "gateline"
_URL_VARIABLES = tuple(name for service in SERVICES.values() for name in service.url_variables)
_ASKED = (
    "database_url",
    "redis_url",
    "secret_key",
    "service_keys",
    "service_key",
    "metrics_port",
    *(name.lower() for name in _URL_VARIABLES),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `gateline up`; None: as the settings say."""

    host: str | None = None
    port: int | None = None
    metrics_port: int | None = None
    data_dir: Path | None = None
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, where, and what to tell it. Holds its ports until `release`.

    `seen` is the stamp of the gateway's file from before it was read.

    `shared` is what every process is told, `keep` the secrets to keep for the next start; `ports`
    has the services' and that of `metrics`.
    """

    settings: Settings
    gateway: GatewayPlan
    seen: Stamp
    postgres: Postgres | None
    valkey: Valkey | None
    services: tuple[ServiceProgram, ...]
    apps: Mapping[str, App]
    shared: Mapping[str, str]
    keep: Mapping[str, str]
    ports: Mapping[str, int]
    held: Mapping[str, socket.socket] = field(repr=False)

    def host(self, name: str) -> str:
        """Return the address that a service listens on: only the edge is public."""
        return self.settings.flask_host if name == "edge" else "127.0.0.1"

    @property
    def mark(self) -> str:
        """What a database carries that is ready for this plan: schemas, and who may log in."""
        secret = self.settings.secret_key.encode()
        settings = self.settings
        people = (
            self.production,
            settings.gateline_sample_password,
            settings.admin_username,
            settings.admin_password,
            self.gateway.samples,
        )
        digest = hmac.new(secret, repr(people).encode(), hashlib.sha256).hexdigest()
        return f"{fingerprint()}:{digest}"

    @property
    def production(self) -> bool:
        """Whether this is for real people: no sample data, nothing made up."""
        return self.settings.production

    def release(self) -> None:
        """Give up the ports."""
        for holder in self.held.values():
            holder.close()


def make_plan(options: Options, folder: DataFolder) -> Plan:
    """Decide everything; raise ConfigError or LocalError when it cannot work.

    Under FLASK_ENV=production nothing is made up but the keys that our own processes show each
    other while they run: secrets and servers must be named.
    """
    own = environment.configured(_ASKED)
    production = environment.is_production()
    postgres = valkey = None
    keep: Mapping[str, str] = {}
    told: dict[str, str] = {}
    if not production:
        keep = environment.kept_secrets(folder.read_env())
        folder.write_env(keep)
        told = environment.own_secrets(own, keep)
        if "database_url" not in own:
            postgres = Postgres(folder.postgres, folder.sockets("postgres"))
            told["DATABASE_URL"] = postgres.url(DATABASE_NAME)
        if "redis_url" not in own:
            valkey = Valkey(folder.valkey, folder.sockets("valkey"))
            told["REDIS_URL"] = valkey.url()
    elif "jwt_service_url" not in own:
        told = environment.keys_of_this_run(own)
    settings = _load_settings(options, folder, told)
    seen = stamp(settings.gateline_config)
    gateway = load_plan(settings)
    services = tuple(
        service
        for service in SERVICES.values()
        if service.is_wanted(platform=gateway.platform, samples=gateway.samples)
        and not _is_elsewhere(service, own)
    )
    held = _reserve_ports(settings, services, metrics_port=_metrics_port(options, own, settings))
    ports = {name: int(holder.getsockname()[1]) for name, holder in held.items()}
    shared = told | _addresses(services, ports, own) | _resolved(settings, folder, gateway)
    return Plan(
        settings,
        gateway,
        seen,
        postgres,
        valkey,
        services,
        apps_of_plan(gateway, settings),
        shared,
        keep,
        ports,
        held,
    )


def apps_of_plan(gateway: GatewayPlan, settings: Settings) -> dict[str, App]:
    """Return the apps of a gateway's file that are to be served here."""
    return apps_of(gateway.services, named_addresses(settings.gateline_apps))


def _load_settings(options: Options, folder: DataFolder, told: Mapping[str, str]) -> Settings:
    overrides: dict[str, Any] = {variable.lower(): value for variable, value in told.items()}
    overrides |= {
        "flask_host": options.host,
        "flask_port": options.port,
        "metrics_port": options.metrics_port,
        "gateline_data_dir": folder.path,
        "gateline_config": options.config,
    }
    return Settings.load(**overrides)


def _is_elsewhere(service: ServiceProgram, own: Mapping[str, Any]) -> bool:
    """Tell whether the person runs this service somewhere: every address of it is set."""
    names = service.url_variables
    return bool(names) and all(name.lower() in own for name in names)


def _metrics_port(options: Options, own: Mapping[str, Any], settings: Settings) -> int:
    """Choose a free port where the public one is free, unless a person named one."""
    named = options.metrics_port is not None or "metrics_port" in own
    return settings.metrics_port if named or settings.flask_port != 0 else 0


def _reserve_ports(
    settings: Settings, services: tuple[ServiceProgram, ...], *, metrics_port: int
) -> dict[str, socket.socket]:
    held: dict[str, socket.socket] = {}
    try:
        held["edge"] = reserve(settings.flask_host, settings.flask_port)
        held["metrics"] = reserve(settings.metrics_host, metrics_port, METRICS)
        for service in services:
            if service.name not in held:
                held[service.name] = reserve("127.0.0.1")
    except BaseException:
        for holder in held.values():
            holder.close()
        raise
    return held


def _addresses(
    services: tuple[ServiceProgram, ...], ports: Mapping[str, int], own: Mapping[str, Any]
) -> dict[str, str]:
    return {
        variable: f"http://127.0.0.1:{ports[service.name]}"
        for service in services
        for variable in service.url_variables
        if variable.lower() not in own
    }


def _resolved(settings: Settings, folder: DataFolder, gateway: GatewayPlan) -> dict[str, str]:
    """Return what children must not resolve by themselves: they may sit in another folder."""
    values = {
        variables_of("database_url")[0]: settings.database_url,
        variables_of("redis_url")[0]: settings.redis_url,
        variables_of("gateline_data_dir")[0]: str(folder.path),
        variables_of("gateline_config")[0]: str(gateway.path.absolute()) if gateway.path else "",
    }
    return {name: value for name, value in values.items() if value}
