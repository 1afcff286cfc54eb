"""What must hold between the settings of a service, and of the files that it names."""

from typing import Final

from gateline.shared.gateway.certificates import CERTIFICATE, KEY, authority_fault, pair_fault
from gateline.shared.gateway.checking import Checked
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.service_model import ServiceEntry
from gateline.shared.routing import PLATFORM_SERVICES, SAMPLE_SERVICES

_ADDRESSES: Final = ("app", "url", "urls", "targets")
_CERTIFICATES: Final = "name a PEM file that begins with -----BEGIN CERTIFICATE-----"
_KEYS: Final = "name the PEM file that was made with the certificate (-----BEGIN PRIVATE KEY-----)"


def check_service(checked: Checked, name: str, entry: ServiceEntry) -> None:
    """Note every error of a service whose settings are valid by themselves."""
    at: Location = ("services", name)
    taken = PLATFORM_SERVICES | (SAMPLE_SERVICES if checked.gateway.samples else frozenset())
    if checked.gateway.platform and name in taken:
        checked.wrong(
            at,
            f"{name!r} is a service of the platform",
            f"call it my-{name}, or leave the platform out: [gateway] platform = false",
        )
    given = [setting for setting in _ADDRESSES if getattr(entry, setting)]
    if not given:
        checked.wrong(
            (*at, "url"), "is missing", 'write url = "http://host:port", or app = "module:app"'
        )
    for surplus in given[1:]:
        checked.wrong(
            (*at, surplus), f"stands beside {given[0]}", f"keep one of {', '.join(given)}"
        )
    if entry.targets and not any(one.weight for one in entry.targets):
        checked.wrong((*at, "targets"), "all weights are 0", "give one of them weight = 1")
    asked = "connect_timeout" in entry.model_fields_set
    if asked and entry.connect_timeout > (entry.timeout or entry.connect_timeout):
        checked.wrong(
            (*at, "connect_timeout"),
            "is longer than timeout",
            f"write at most {entry.timeout:g}",
        )
    if entry.app and not (checked.source.folder / entry.directory).is_dir():
        checked.wrong(
            (*at, "directory"),
            f"{entry.directory!r} is not there",
            f"write a folder that counts from {checked.source.folder}",
        )
    _check_upstream_tls(checked, at, entry)


def _check_upstream_tls(checked: Checked, at: Location, entry: ServiceEntry) -> None:
    if entry.tls is None:
        return
    tls = entry.tls
    if tls.ca and _is_there(checked, (*at, "tls", "ca"), tls.ca):
        fault = authority_fault(checked.source.folder / tls.ca)
        if fault is not None:
            checked.wrong((*at, "tls", "ca"), f"{tls.ca!r} {fault}", _CERTIFICATES)
    if bool(tls.certificate) is not bool(tls.key):
        missing = "key" if tls.certificate else "certificate"
        checked.wrong((*at, "tls", missing), "is missing", "write certificate and key together")
        return
    if tls.certificate:
        check_pair(checked, (*at, "tls"), tls.certificate, tls.key)


def check_pair(checked: Checked, at: Location, certificate: str, key: str) -> None:
    """Note what is wrong with the files of a certificate and its key."""
    written = {CERTIFICATE: certificate, KEY: key}
    there = [_is_there(checked, (*at, setting), name) for setting, name in written.items()]
    if not all(there):
        return
    folder = checked.source.folder
    fault = pair_fault(folder / certificate, folder / key)
    if fault is not None:
        setting, text = fault
        remedy = _CERTIFICATES if setting == CERTIFICATE else _KEYS
        checked.wrong((*at, setting), f"{written[setting]!r} {text}", remedy)


def _is_there(checked: Checked, at: Location, name: str) -> bool:
    """Tell whether a file is there, and note it when it is not."""
    there = "\0" not in name and bool(name) and (checked.source.folder / name).is_file()
    if not there:
        checked.wrong(
            at, f"{name!r} is not there", f"write a path that counts from {checked.source.folder}"
        )
    return there
