"""`gateline explain METHOD PATH`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from gateline.cli.reading import config_option, read_plan

if TYPE_CHECKING:
    from gateline.cli.explanation import Asked, Explanation
    from gateline.policy.headers import Headers
    from gateline.shared.gateway import GatewayPlan

_MARKS: Final = {True: ("yes", "green"), False: ("no", "red"), None: ("", "white")}
_MOST_OTHERS: Final = 5
_SOCKET_SCHEMES: Final = {"ws": "http", "wss": "https"}


@click.command()
@click.argument("method")
@click.argument("target", metavar="PATH")
@click.option(
    "--as",
    "caller",
    metavar="WHO",
    help="Who asks: a kind of account (customer, admin, …), key:NAME or ISSUER:TYPE.  [anonymous]",
)
@click.option("--cookie", is_flag=True, help="WHO comes by the session cookie, as browsers do.")
@click.option("--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header.")
@click.option("--host", help="The Host header.  [localhost]")
@click.option(
    "--from", "client", default="127.0.0.1", show_default=True, help="Address of the client."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_option
def explain(
    method: str,
    target: str,
    caller: str | None,
    headers: tuple[str, ...],
    host: str | None,
    client: str,
    config: Path | None,
    *,
    cookie: bool,
    as_json: bool,
) -> None:
    """Tell what the edge would do with a request, and why, without sending it.

    Which route takes it and which others look like it, what each policy says, where it would go
    and with which headers. PATH may be a whole address (https://shop.example.com/api/shop/1),
    of a WebSocket too (wss://shop.example.com/api/shop/live).
    Limits are told, not counted; nothing is asked over the network.
    """
    from gateline.cli.explaining import explain as explained

    plan = read_plan(config)
    asked = _asked(plan, method, target, caller, headers, host, client, by_cookie=cookie)
    found = explained(plan, asked)
    if as_json:
        click.echo(json.dumps(_as_object(asked, found), indent=2))
    else:
        _show(asked, found)


def _asked(
    plan: "GatewayPlan",
    method: str,
    target: str,
    caller: str | None,
    headers: tuple[str, ...],
    host: str | None,
    client: str,
    *,
    by_cookie: bool,
) -> "Asked":
    from gateline.cli.callers import UnknownCaller, caller_named
    from gateline.cli.explanation import Asked

    parts = urlsplit(target) if "://" in target else None
    path = target if parts is None else parts._replace(scheme="", netloc="").geturl() or "/"
    if not path.startswith("/"):
        raise click.BadParameter("a path starts with a slash", param_hint="PATH")
    try:
        who = caller_named(caller, plan, by_cookie=by_cookie)
    except UnknownCaller as error:
        raise click.BadParameter(str(error), param_hint="--as") from error
    name = host or (parts.netloc if parts is not None else "localhost")
    pairs, scheme = _pairs(headers, name), parts.scheme if parts is not None else "http"
    if scheme in _SOCKET_SCHEMES:
        pairs, scheme = [*pairs, (b"upgrade", b"websocket")], _SOCKET_SCHEMES[scheme]
    return Asked(
        method=method.upper(),
        target=path,
        headers=pairs,
        client=client,
        scheme=scheme,
        caller=who,
    )


def _pairs(headers: tuple[str, ...], host: str) -> "Headers":
    pairs = [(b"host", host.encode("latin-1"))]
    for header in headers:
        name, separator, value = header.partition(":")
        if not separator or not name.strip():
            raise click.BadParameter("write it as 'Name: value'", param_hint="--header")
        pairs.append((name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")))
    return pairs


def _show(asked: "Asked", found: "Explanation") -> None:
    click.secho(f"{asked.method} {asked.target} as {asked.caller.text}", bold=True)
    click.echo()
    for step in found.steps:
        mark, colour = _MARKS[step.passed]
        click.echo(f"{step.phase:<9} {click.style(f'{mark:<3}', fg=colour)} {step.text}")
        if step.phase == "route":
            _show_others(found)
    if found.forwarded is not None:
        click.echo(f"\n{found.forwarded['method']} {found.forwarded['path']}")
        for name, value in found.forwarded["headers"]:
            click.echo(f"  {name}: {value}")
    click.echo()
    good = found.reason is None
    click.secho(f"It is {found.verdict}", fg="green" if good else "red", bold=True)


def _show_others(found: "Explanation") -> None:
    for other in found.others[:_MOST_OTHERS]:
        click.echo(f"{'':<14}not {other.route.name} {other.route.path}: {other.why}")
    more = len(found.others) - _MOST_OTHERS
    if more > 0:
        click.echo(f"{'':<14}nor {more} more")


def _as_object(asked: "Asked", found: "Explanation") -> dict[str, Any]:
    route = found.route
    return {
        "request": {
            "method": asked.method,
            "target": asked.target,
            "as": asked.caller.text,
            "from": asked.client,
        },
        "route": None if route is None else {"name": route.name, "path": route.path},
        "others": [
            {"name": other.route.name, "path": other.route.path, "why": other.why}
            for other in found.others
        ],
        "steps": [asdict(step) for step in found.steps],
        "verdict": found.verdict,
        "status": found.status,
        "reason": found.reason,
        "service": found.service,
        "forwarded": found.forwarded,
    }
