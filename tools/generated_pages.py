"""Write what is made from the code: `make docs` (`python tools/generated_pages.py`).

A test holds each file against what stands here, so whoever changes a setting, a reason or a
statement runs `make docs`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from contract_statements import Document, Statement, documents
from gateline.policy.reasons import REASONS
from gateline.shared.config import SettingReference, env_example, reference
from gateline.shared.gateway.reference import schema_text
from gateway_file_page import gateway_file
from metrics_page import metrics_page

ROOT: Final = Path(__file__).parents[1]

_CONFIGURATION: Final = """\
# Configuration

Every setting is a variable. Where several layers name one, the strongest wins:

1. an option of the command line (`gateline up --port 9000`)
2. the environment
3. the file `.env` in the working folder
4. the attributes of class `Config` in a `config.py` in the working folder
5. outside production, `.gateline/env`, which a running `gateline up` writes
6. the default

An empty value counts as unset. All settings are checked together before anything starts: a wrong
one is named, with what would be right, and its value is never shown. Under `FLASK_ENV=production`
missing and weak secrets are refused too. `.env.example` in the repository is this page as a file
to copy. This page is made by `make docs`.
"""
_REASONS: Final = """\
# Reasons

Every refusal has one body: `error` (a short phrase), `message` (a sentence for a person) and
`details`, in which `reason` is a word from this table and `request_id` finds the request in the
logs. The word is the same in the body, the access line and the metric `gateline_refusals_total`
or `gateline_edge_refusals_total`. Words stay; sentences may be improved.

An answer of the edge itself carries the header `X-Gateline-Error` with the reason; one without it
comes from a service. This page is made by `make docs`.

| Reason | Status | `error` | `message` |
|---|---|---|---|
"""
_COVERAGE: Final = """\
# Contract coverage

What the five documents state, in short words, and the tests that hold it. A test fails when a
statement has no test, or names one that is not there or is skipped. The statements stand in
`tests/contract/statements.toml`; tests named without a folder are in `tests/contract`. This page is
made by `make docs`.

| Document | Statements | Held by tests |
|---|---|---|
"""


def configuration() -> str:
    """Return the page of all settings."""
    parts = [_CONFIGURATION]
    for group, rows in groupby(reference(), key=lambda row: row.group):
        parts.append(f"\n## {group}\n\n| Variable | Meaning | Default |\n|---|---|---|\n")
        parts.extend(_setting(row) for row in rows)
    return "".join(parts)


def reasons() -> str:
    """Return the page of all reasons, by status."""
    rows = sorted(REASONS.values(), key=lambda reason: reason.status)
    return _REASONS + "".join(
        f"| `{one.code}` | {one.status} | {one.error} | {one.message} |\n" for one in rows
    )


def coverage() -> str:
    """Return the page of all statements with their tests."""
    found = documents()
    return "".join([_COVERAGE, *map(_total, found), *map(_document, found)])


FILES: Final[Mapping[str, Callable[[], str]]] = {
    ".env.example": env_example,
    "docs/configuration.md": configuration,
    "docs/gateway-file.md": gateway_file,
    "docs/metrics.md": metrics_page,
    "docs/reasons.md": reasons,
    "docs/contract-coverage.md": coverage,
    "src/gateline/shared/gateway/gateline.schema.json": schema_text,
}


def main() -> None:
    """Write every file that is not as it should be."""
    for name, make in FILES.items():
        path, text = ROOT / name, make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _setting(row: SettingReference) -> str:
    names = "<br>".join(f"`{name}`" for name in row.variables)
    default = f"`{row.default}`" if row.default else ""
    secret = " Secret." if row.secret else ""
    return f"| {names} | {_cell(row.description)}{secret} | {default} |\n"


def _total(document: Document) -> str:
    held = sum(bool(one.tests) for one in document.statements)
    return f"| {document.number} {document.title} | {len(document.statements)} | {held} |\n"


def _document(document: Document) -> str:
    head = f"\n## Document {document.number}: {document.title}\n\n"
    table = "| | States | Held by |\n|---|---|---|\n"
    return head + table + "".join(_statement(one) for one in document.statements)


def _statement(one: Statement) -> str:
    return f"| {one.id} | {_cell(one.says)} | {'<br>'.join(_by_module(one.tests))} |\n"


def _by_module(tests: tuple[str, ...]) -> Iterator[str]:
    return (f"`{named}`" for named in tests)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
