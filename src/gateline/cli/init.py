"""`gateline init`."""

from pathlib import Path

import click

_NAME = "gateline.toml"


@click.command()
@click.argument(
    "folder",
    default=Path(),
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.option("--print", "only_print", is_flag=True, help="Print the file instead of writing it.")
def init(folder: Path, *, only_print: bool) -> None:
    """Write a gateline.toml for the app in FOLDER (default: here).

    Looks for a Flask app (create_app or app in *.py and in packages, Procfile, FLASK_APP) by
    reading its code, without running it. A file that is there is never overwritten.
    """
    from gateline.local.inspection import applications
    from gateline.local.starter import starter
    from gateline.shared.gateway.reference import SCHEMA_FILE

    found = applications(folder)
    text = starter(found, folder, SCHEMA_FILE.as_uri())
    if only_print:
        click.echo(text, nl=False)
        return
    path = folder / _NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(
            f"{path} is there already and stays as it is: `gateline check` looks it over, "
            "`gateline init --print` shows what would be written."
        ) from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}).") from error
    what = f"{found[0].target}, found in {found[0].place}" if found else "no app was found"
    click.echo(f"Wrote {path} ({what}). Next: look it over, `gateline check`, `gateline up`.")
