"""Check a gateway file whole: each table by itself, then what they say of each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateline.policy.routes import Route
from gateline.shared.gateway import building
from gateline.shared.gateway.fields import Name
from gateline.shared.gateway.model import ApiKeyEntry, GatewayEntry, GatewayFile, IssuerEntry
from gateline.shared.gateway.positions import Location
from gateline.shared.gateway.problems import FileProblem
from gateline.shared.gateway.route_model import RouteEntry
from gateline.shared.gateway.service_model import ServiceEntry
from gateline.shared.gateway.source import Source
from gateline.shared.gateway.suggestions import one_of
from gateline.shared.gateway.tables import Table
from gateline.shared.gateway.translation import problems_of
from gateline.shared.pacing import in_portions

_Entry = TypeVar("_Entry", bound=Table)
_NAME = TypeAdapter(Name)


@dataclass(slots=True)
class Checked:
    """A file's valid tables, and everything that is wrong or doubtful.

    `routes` and `api_keys` are by their place in the file, so that a wrong one leaves a gap;
    `declared` are the names of all services and issuers, the wrong ones too. `listens` tells
    whether the files of [gateway.tls] are looked at.
    """

    source: Source
    gateway: GatewayEntry = field(default_factory=GatewayEntry)
    services: dict[str, ServiceEntry] = field(default_factory=dict)
    routes: dict[int, RouteEntry] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    issuers: dict[str, IssuerEntry] = field(default_factory=dict)
    api_keys: dict[int, ApiKeyEntry] = field(default_factory=dict)
    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    listens: bool = True
    found: list[FileProblem] = field(default_factory=list)
    built: tuple[Route, ...] = ()

    @property
    def errors(self) -> tuple[FileProblem, ...]:
        """What must be mended, by line."""
        return self._sorted(warning=False)

    @property
    def warnings(self) -> tuple[FileProblem, ...]:
        """What is doubtful, by line."""
        return self._sorted(warning=True)

    def wrong(self, location: Location, message: str, remedy: str) -> None:
        """Note an error."""
        self.found.append(self.source.problem(location, message, remedy))

    def doubtful(self, location: Location, message: str, remedy: str) -> None:
        """Note a warning."""
        self.found.append(self.source.problem(location, message, remedy, warning=True))

    def route_at(self, index: int, *way: str | int) -> Location:
        """Return the location of a setting of a route."""
        return ("routes", index, *way)

    def _sorted(self, *, warning: bool) -> tuple[FileProblem, ...]:
        found = (one for one in self.found if one.warning is warning)
        return tuple(sorted(found, key=lambda one: (one.line, one.field)))


def check(source: Source, *, listens: bool = True) -> Checked:
    """Check everything that the file alone tells; raises nothing.

    Who does not listen itself has no use for the certificate of [gateway.tls], and leaves it be.
    """
    # What is checked across tables stands in modules that need `Checked`.
    from gateline.shared.gateway import relations, warnings

    checked = Checked(source, listens=listens)
    _check_tables(checked)
    checked.names = route_names(checked.routes)
    checked.built = tuple(
        building.route(entry, checked.names[index], takes_sockets=_takes_sockets(checked, entry))
        for index, entry in in_portions(checked.routes.items())
    )
    relations.check(checked)
    relations.check_claims(checked)
    if not checked.errors:  # what is missing for being wrong is no reason to wonder
        relations.check_redirects(checked)
    if not checked.errors:
        warnings.check(checked)
    return checked


def _takes_sockets(checked: Checked, entry: RouteEntry) -> bool:
    """Tell whether a route's service could take WebSockets: they begin in HTTP/1.1."""
    service = checked.services.get(entry.service or "")
    return service is None or service.protocol != "http2"


def route_names(routes: Mapping[int, RouteEntry]) -> dict[int, str]:
    """Return each route's name: its own, else one made from its path that nobody else has."""
    taken = {entry.name for entry in routes.values() if entry.name is not None}
    names: dict[int, str] = {}
    for index, entry in in_portions(routes.items()):
        names[index] = entry.name or _free_name(entry, taken)
        taken.add(names[index])
    return names


def _free_name(entry: RouteEntry, taken: set[str]) -> str:
    words = (part.strip("{}") for part in entry.path.split("/"))
    base = "-".join(part for part in words if part and part != "*") or "root"
    for name in (base, "-".join([base, *(method.lower() for method in entry.methods)])):
        if name not in taken:
            return name
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


def _check_tables(checked: Checked) -> None:
    values = checked.source.values
    for name in values:
        if name not in GatewayFile.model_fields:
            checked.wrong((name,), "is no table that is known", one_of(name, _headings()))
    gateway = _entry(checked, ("gateway",), values.get("gateway", {}), GatewayEntry)
    checked.gateway = gateway or checked.gateway
    checked.services = dict(_named(checked, "services", ServiceEntry))
    checked.issuers = dict(_named(checked, "issuers", IssuerEntry))
    checked.routes = dict(_listed(checked, "routes", RouteEntry))
    checked.api_keys = dict(_listed(checked, "api_keys", ApiKeyEntry))


def _headings() -> tuple[str, ...]:
    return tuple(GatewayFile.model_fields)


def _named(checked: Checked, table: str, model: type[_Entry]) -> Iterator[tuple[str, _Entry]]:
    values = checked.source.values.get(table, {})
    checked.declared[table] = frozenset(values) if isinstance(values, dict) else frozenset()
    if not isinstance(values, dict):
        checked.wrong((table,), "must be tables with names", f"write [{table}.NAME] above")
        return
    for name, value in in_portions(values.items()):
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            context = error.errors()[0]["ctx"]
            checked.wrong((table, name), context["message"], context["remedy"])
            continue
        entry = _entry(checked, (table, name), value, model)
        if entry is not None:
            yield name, entry


def _listed(checked: Checked, table: str, model: type[_Entry]) -> Iterator[tuple[int, _Entry]]:
    values = checked.source.values.get(table, [])
    if not isinstance(values, list):
        checked.wrong((table,), "must be a list of tables", f"write [[{table}]], in two brackets")
        return
    for index, value in in_portions(enumerate(values)):
        entry = _entry(checked, (table, index), value, model)
        if entry is not None:
            yield index, entry


def _entry(checked: Checked, at: Location, value: Any, model: type[_Entry]) -> _Entry | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        checked.found.extend(problems_of(error, checked.source, at, model))
        return None
