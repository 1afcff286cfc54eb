"""`gateline simulate`: let something happen, so that there is something to see."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateline.sample.retail.simulation import Progress, Reporter


@click.group()
def simulate() -> None:
    """Let something happen on a running platform, so that there is something to see."""


@simulate.command()
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="How much faster the shop's clock runs; 60: a second is a minute.",
)
@click.option(
    "--for",
    "seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, 30 * 86400),
    help="Seconds to run; 0: until Ctrl-C.",
)
@click.option(
    "--start",
    default="11:30",
    show_default=True,
    type=click.DateTime(["%H:%M"]),
    help="The shop's time to begin with; it is open from 8:00 to 21:00.",
)
@click.option("--seed", default=1, show_default=True, help="Another number, another day.")
def retail(speed: float, seconds: float, start: datetime, seed: int) -> None:
    """Play a day in the sample shop: visitors, queues, shelves, doors, temperatures, cameras.

    Its events are reported to the edge processor (EDGE_PROCESSOR_URL) with SERVICE_KEY, as a
    service does; both are known in the folder of a running `gateline up`. The cameras of the
    sample shop must be there: they come with the sample data.
    """
    from gateline.sample.retail import simulation

    reporter = _reporter()
    opening = datetime.combine(datetime.now(UTC).date(), start.time(), UTC)
    taken = opened = 0
    try:
        for step in simulation.simulate(
            reporter.report, opening, speed=speed, seconds=seconds, seed=seed
        ):
            if step.problem is not None and not taken:
                raise click.ClickException(f"The edge processor takes no events. {step.problem}")
            taken, opened = taken + step.sent.accepted, opened + step.sent.alerts_opened
            _show(step)
    except KeyboardInterrupt:
        click.echo()
    finally:
        reporter.close()
    click.echo(f"Taken: {_number(taken, 'event')}. Opened: {_number(opened, 'alert')}.")


def _reporter() -> "Reporter":
    from gateline.sample.retail.simulation import Reporter
    from gateline.shared.config import Settings

    settings = Settings.load()
    if not settings.edge_processor_url or not settings.service_key:
        raise click.ClickException(
            "Where the edge processor is, is not known: run `gateline up` in this folder, or set "
            "EDGE_PROCESSOR_URL and SERVICE_KEY."
        )
    return Reporter(settings.edge_processor_url, settings.service_key)


def _show(step: "Progress") -> None:
    """Write a line for a step in which something happened."""
    parts = []
    if step.sent.accepted:
        parts.append(_number(step.sent.accepted, "event"))
    if step.sent.alerts_opened:
        parts.append(
            click.style(f"{_number(step.sent.alerts_opened, 'alert')} opened", fg="yellow")
        )
    if step.sent.alerts_closed:
        parts.append(click.style(f"{_number(step.sent.alerts_closed, 'alert')} closed", fg="green"))
    if step.problem is not None:
        parts.append(click.style(f"{step.waiting} waiting: {step.problem}", fg="red"))
    if parts:
        click.echo(f"{step.shop_time:%H:%M}  {', '.join(parts)}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
