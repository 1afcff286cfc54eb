"""What is allowed in a service of a gateway file and probably not meant."""

from importlib.util import find_spec
from typing import Final

from gateline.policy.services import Service
from gateline.shared.gateway.checking import Checked
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.service_model import ServiceEntry

_APP_SETTINGS: Final = ("directory", "workers", "threads", "env")
_DEFAULT_TIMEOUT: Final = Service("", ()).timeout


def check_service(checked: Checked, name: str, entry: ServiceEntry) -> None:
    """Note everything doubtful about a service."""
    at: Location = ("services", name)
    written = entry.model_fields_set
    if entry.app is None:
        for setting in _APP_SETTINGS:
            if setting in written:
                checked.doubtful(
                    (*at, setting), "means nothing without app", "take it out, or name the app"
                )
    else:
        _check_module(checked, at, entry, entry.app)
    if entry.app is not None and entry.protocol == "http2":
        checked.doubtful(
            (*at, "protocol"),
            "is not what `gateline up` serves apps over: that is HTTP/1.1",
            "take it out",
        )
    if "hash_on" in written and entry.balance != "hash":
        checked.doubtful((*at, "hash_on"), "means nothing here", 'write balance = "hash"')
    _check_addresses(checked, at, entry)
    _check_times(checked, at, entry)
    if entry.tls is not None and not entry.tls.verify:
        checked.doubtful(
            (*at, "tls", "verify"),
            "believes anybody who answers",
            "name the authority instead: ca",
        )


def _check_module(checked: Checked, at: Location, entry: ServiceEntry, app: str) -> None:
    """Look for the app's file; a module that is installed is fine too."""
    top = app.partition(":")[0].partition(".")[0]
    folder = checked.source.folder / entry.directory
    if (folder / f"{top}.py").exists() or (folder / top).is_dir() or find_spec(top) is not None:
        return
    checked.doubtful(
        (*at, "app"), f"there is no {top}.py in {folder}", "name the file, or its directory"
    )


def _check_addresses(checked: Checked, at: Location, entry: ServiceEntry) -> None:
    urls = [entry.url or "", *entry.urls, *(one.url for one in entry.targets)]
    if entry.tls is not None and not any(url.startswith("https:") for url in urls):
        checked.doubtful(
            (*at, "tls"), "no address begins with https://", "write https:// addresses"
        )
    places: dict[Location, str] = {
        (*at, "urls", number): url for number, url in enumerate(entry.urls)
    }
    places |= {(*at, "targets", number, "url"): one.url for number, one in enumerate(entry.targets)}
    seen: set[str] = set()
    for place, url in places.items():
        if url.lower() in seen:
            checked.doubtful(place, "is listed twice", "list it once, with a weight in targets")
        seen.add(url.lower())


def _check_times(checked: Checked, at: Location, entry: ServiceEntry) -> None:
    """Note times of which one makes another mean nothing."""
    ejection, health, retries = entry.ejection, entry.health_check, entry.retries
    if ejection is not None and ejection.most < ejection.base:
        _doubt_time(checked, (*at, "ejection", "most"), "is shorter than base", ejection.base)
    if retries.attempts > 1 and retries.backoff > retries.most:
        _doubt_time(checked, (*at, "retries", "most"), "is shorter than backoff", retries.backoff)
    if health is not None and health.timeout > health.interval:
        checked.doubtful(
            (*at, "health_check", "timeout"),
            "is longer than interval",
            f"write at most {health.interval:g}",
        )
    if entry.timeout is None and entry.connect_timeout > _DEFAULT_TIMEOUT:
        checked.doubtful(
            (*at, "connect_timeout"),
            f"is longer than the {_DEFAULT_TIMEOUT:g} s that a request has by default",
            "write a timeout too, or a shorter one here",
        )


def _doubt_time(checked: Checked, at: Location, message: str, least: float) -> None:
    checked.doubtful(at, message, f"write at least {least:g}")
