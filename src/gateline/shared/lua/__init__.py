"""Scripts that run inside Valkey, as resource files."""

from importlib.resources import files


def source(name: str) -> str:
    """Return the text of a script; `name` without its ending."""
    return files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
