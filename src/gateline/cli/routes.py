"""`gateline routes`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateline.cli.reading import config_option, read_plan

if TYPE_CHECKING:
    from gateline.policy.routes import Route

_TITLES: Final = ("METHODS", "PATH", "TO", "FOR", "LIMITS", "NAME")


@click.command()
@click.option("--own", is_flag=True, help="Leave out the routes of the platform.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@config_option
def routes(config: Path | None, *, own: bool, as_json: bool) -> None:
    """List the routes: what they take, where it goes, who may and how often.

    Those of the gateway's file come first, in its order. Of several that fit a request the most
    specific answers: `gateline explain` tells which.
    """
    plan = read_plan(config)
    listed = [route for route in plan.routes if not own or route not in _platform()]
    if as_json:
        for route in listed:
            click.echo(json.dumps(_as_object(route)))
        return
    _print_table([_row(route) for route in listed])
    where = plan.path if plan.path is not None else "no gateway's file: the platform's own"
    click.echo(f"\n{len(listed)} routes, version {plan.version} ({where})", err=True)


def _platform() -> "tuple[Route, ...]":
    from gateline.shared.routing import platform_routes

    return platform_routes()


def _row(route: "Route") -> tuple[str, ...]:
    from gateline.cli import wording
    from gateline.cli.candidates import header_text

    place = "".join(
        [
            f"{' '.join(sorted(route.hosts))} " if route.hosts else "",
            route.path,
            *(f" [{header_text(one)}]" for one in route.headers),
        ]
    )
    limits = "; ".join(wording.limit_text(rule) for rule in route.limits)
    return (
        " ".join(sorted(route.methods)) or "any",
        place,
        wording.target_text(route),
        wording.who_text(route),
        limits,
        route.name,
    )


def _print_table(rows: list[tuple[str, ...]]) -> None:
    """Print columns as wide as they need to be; the last ones are left ragged."""
    whole = [_TITLES, *rows]
    kept = [at for at in range(len(_TITLES)) if any(row[at] for row in rows)]
    widths = {at: max(len(row[at]) for row in whole) for at in kept}
    for number, row in enumerate(whole):
        line = "  ".join(f"{row[at]:<{widths[at]}}" for at in kept).rstrip()
        click.secho(line, bold=number == 0)


def _as_object(route: "Route") -> dict[str, Any]:
    from gateline.cli import wording

    return {
        "name": route.name,
        "methods": sorted(route.methods),
        "hosts": sorted(route.hosts),
        "path": route.path,
        "to": wording.target_text(route),
        "auth": route.auth,
        "accept": sorted(route.accept),
        "roles": sorted(route.roles),
        "limits": [wording.limit_text(rule) for rule in route.limits],
    }
