"""What `gateline up` shows when everything is ready."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

import gateline
from gateline.shared.gateway import GatewayPlan


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person needs to know of a running platform."""

    url: str
    metrics_url: str
    data: Path
    database: str
    valkey: str
    seconds: float
    passwords: Mapping[str, str]
    password_note: str
    gateway: str = ""
    apps: Mapping[str, str] = field(default_factory=dict)


def render(facts: Facts, *, colour: bool, width: int = 96) -> str:
    """Return the banner as text."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=colour, no_color=not colour, width=width)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _lines(facts):
        table.add_row(label, value)
    title = f"Gateline {gateline.__version__} is ready ({facts.seconds:.1f} s)"
    console.print(Panel(table, title=title, border_style="green", padding=(1, 2)))
    return out.getvalue()


def describe(gateway: GatewayPlan) -> str:
    """Return the gateway's file with what it adds; empty without a file."""
    if gateway.path is None:
        return ""
    warnings = sum(problem.warning for problem in gateway.problems)
    counted = "1 warning" if warnings == 1 else f"{warnings} warnings"
    doubts = f", {counted} (gateline check)" if warnings else ""
    return f"{gateway.path} (version {gateway.version}){doubts}; `gateline routes` lists it"


def _lines(facts: Facts) -> list[tuple[str, str]]:
    lines = [
        ("Open", f"{facts.url}/"),
        ("Health", f"{facts.url}/health"),
        ("Metrics", facts.metrics_url),
        ("Data", str(facts.data)),
        ("PostgreSQL", facts.database),
        ("Valkey", facts.valkey),
    ]
    if facts.gateway:
        lines += [("", ""), ("Gateway", facts.gateway)]
    label = "Apps"
    for name, state in facts.apps.items():
        lines.append((label, f"{name:<12} {state}"))
        label = ""
    label = "Accounts"
    if facts.passwords or facts.password_note:
        lines.append(("", ""))
    for email, password in facts.passwords.items():
        lines.append((label, f"{email:<24} {password}"))
        label = ""
    if facts.password_note:
        lines.append((label, facts.password_note))
    return [*lines, ("", ""), ("Stop", "Ctrl-C")]
