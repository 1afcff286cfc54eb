"""The page of all metrics, read from the code that defines them without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parents[1] / "src"

_PAGE: Final = """\
# Metrics

Every series that a scrape shows, see [Observability](observability.md#metrics) for where to scrape
and what to watch. Times are in seconds, sizes in bytes. Labels have few values: names from the
configuration, and fixed words; a path, an address or a user is never one. This page is made by
`make docs`.

| Metric | Kind | Labels | Tells |
|---|---|---|---|
"""
_KINDS: Final = {
    "BatchHistogram": "histogram",
    "Counter": "counter",
    "Gauge": "gauge",
    "Histogram": "histogram",
}
_PREFIX: Final = "gateline_"


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A metric as Prometheus knows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    tells: str


@cache
def metrics() -> tuple[Metric, ...]:
    """Return all metrics by name."""
    sources = (path.read_text("utf-8") for path in SOURCES.rglob("*.py"))
    return tuple(
        sorted(
            metric
            for source in sources
            if f'"{_PREFIX}' in source
            for node in ast.walk(ast.parse(source))
            for metric in _defined_by(node)
        )
    )


def metrics_page() -> str:
    """Return the page of all metrics."""
    return _PAGE + "".join(map(_row, metrics()))


def _row(metric: Metric) -> str:
    labels = ", ".join(metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.tells} |\n"


def _defined_by(node: ast.AST) -> Iterator[Metric]:
    """Yield the metric that a call makes, if it does; name, help and labels are literals."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return
    kind = _KINDS.get(node.func.id)
    if kind is None or not node.args or not _text(node.args[0]).startswith(_PREFIX):
        return
    labels = ast.literal_eval(node.args[2]) if len(node.args) > 2 else ()
    yield Metric(_text(node.args[0]), kind, tuple(labels), _text(node.args[1]))


def _text(node: ast.expr) -> str:
    """Return a literal text, empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
