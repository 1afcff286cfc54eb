"""What the processes of a platform are told: from the person, from this run, from the last one.

A person's own settings always win. Secrets that nobody set are made once and kept. Which addresses
hold depends on this run, so they are in the data folder's `env` only while the platform runs.
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from gateline.shared.config import Settings
from gateline.shared.config.layers import gather
from gateline.shared.config.settings import variables_of

KEYED_SERVICES: Final = ("edge", "web", "api", "jobs", "clinic", "retail", "auth", "local")
_SECRETS: Final = ("SECRET_KEY", "SERVICE_KEYS", "SERVICE_KEY")


def configured(fields: Iterable[str], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the person set, by field: environment, `.env`, `config.py`; not the data folder.

    Pretending production is what keeps the data folder's file out.
    """
    variables = {field: variables_of(field) for field in fields}
    source = os.environ if environ is None else environ
    values = gather(variables, source, Path.cwd(), {"flask_env": "production"})
    return {field: values[field] for field in variables if field in values}


def kept_secrets(earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the generated secrets, those of an earlier run where there are any."""
    keys = _parse_keys(earlier.get("SERVICE_KEYS", ""))
    for name in KEYED_SERVICES:
        keys.setdefault(name, secrets.token_urlsafe(32))
    return {
        "SECRET_KEY": earlier.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "SERVICE_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items()),
        "SERVICE_KEY": keys["local"],
    }


def service_environment(name: str, shared: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one service: the platform's, and its own key for calling others."""
    told = {**os.environ, **shared}
    own_key = _parse_keys(shared.get("SERVICE_KEYS", "")).get(name) or told.get("SERVICE_KEY", "")
    return {**told, "SERVICE_KEY": own_key} if own_key else told


def keys_of_this_run(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the person's service keys, with one for each of our services that has none.

    Only processes of this run ever see those, so they are made anew each time and kept nowhere.
    """
    keys = _parse_keys(str(settings.get("service_keys") or ""))
    for name in KEYED_SERVICES:
        keys.setdefault(name, secrets.token_urlsafe(32))
    return {"SERVICE_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items())}


def own_secrets(settings: Mapping[str, Any], generated: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets to use: the person's where set, with generated keys for our services."""
    chosen = {
        variable: str(settings.get(variable.lower()) or generated[variable])
        for variable in _SECRETS
    }
    keys = _parse_keys(generated["SERVICE_KEYS"]) | _parse_keys(chosen["SERVICE_KEYS"])
    chosen["SERVICE_KEYS"] = ",".join(f"{name}:{key}" for name, key in keys.items())
    return chosen


def is_production() -> bool:
    """Tell whether the person said FLASK_ENV=production."""
    known = {"flask_env": variables_of("flask_env")}
    return gather(known, os.environ, Path.cwd(), {}).get("flask_env") == "production"


def data_folder_path(option: Path | None) -> Path:
    """Return the data folder: the option, else GATELINE_DATA_DIR, else the default."""
    default = Settings.model_fields["gateline_data_dir"].default
    return Path(option or configured(["gateline_data_dir"]).get("gateline_data_dir") or default)


def _parse_keys(text: str) -> dict[str, str]:
    pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
    return {name: key for name, _, key in pairs}
