"""`gateline check`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from gateline.shared.gateway.checking import Checked
    from gateline.shared.gateway.problems import FileProblem

DOUBTFUL: Final = 1
WRONG: Final = 2


@click.command()
@click.argument(
    "file",
    type=click.Path(path_type=Path),
    default=Path("gateline.toml"),
    envvar="GATELINE_CONFIG",
)
@click.option("--strict", is_flag=True, help="Let a warning fail as well (exit code 1).")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file, for editors.")
def check(file: Path, *, strict: bool, schema: bool) -> None:
    """Check a gateway file whole: FILE, else GATELINE_CONFIG, else gateline.toml.

    Each line names file, line and field, what is wrong and what would be right; warnings are what
    is allowed and probably not meant. What the edge would make of the file is made and thrown
    away; nothing is started and nobody is asked.

    Exit codes: 0 right, 1 warnings with --strict, 2 wrong.
    """
    if schema:
        from gateline.shared.gateway.reference import schema_text

        click.echo(schema_text(), nl=False)
        return
    errors, warnings, summary = _checked(file)
    for problem in sorted((*errors, *warnings), key=lambda one: (one.line, one.field)):
        click.secho(str(problem), fg="yellow" if problem.warning else "red")
    if errors:
        click.echo(
            f"{file}: {_counted(len(errors), 'error')}, {_counted(len(warnings), 'warning')}"
        )
        sys.exit(WRONG)
    click.echo(f"{file}: {summary}, {_counted(len(warnings), 'warning')}")
    if warnings and strict:
        sys.exit(DOUBTFUL)


def _checked(file: Path) -> "tuple[tuple[FileProblem, ...], tuple[FileProblem, ...], str]":
    from gateline.shared.gateway import GatewayFileError
    from gateline.shared.gateway.checking import check as check_source
    from gateline.shared.gateway.source import Source

    try:
        source = Source.read(file)
    except GatewayFileError as error:
        return error.found, (), ""
    checked = check_source(source)
    if not checked.errors:
        _rehearse(checked)
    services, routes = len(checked.services), len(checked.routes)
    summary = f"{_counted(services, 'service')}, {_counted(routes, 'route')}"
    return checked.errors, checked.warnings, f"right; {summary}"


def _rehearse(checked: "Checked") -> None:
    """Note what the edge itself would refuse to build."""
    from gateline.cli.reading import settings_of_nobody
    from gateline.edge.composition import own_routes
    from gateline.edge.gateway import compile_plan
    from gateline.edge.rehearsal import problems
    from gateline.shared.gateway.loading import plan_of

    plan = plan_of(checked.source, settings_of_nobody())
    checked.found.extend(problems(checked.source, plan.services.values()))
    try:
        compile_plan(plan, own_routes(plan))
    except ValueError as error:
        checked.wrong(("routes",), f"cannot be built: {error}", "mend what is named here")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number or 'no'} {word}s"
