"""`config[name]`: settings as an object for `app.config.from_object`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateline.shared.config.settings import Settings

_NAMES: Final = ("default", "development", "production", "testing")


class FlaskConfig:
    """Settings with the upper-case attributes that `app.config.from_object` copies."""

    def __init__(self, settings: Settings) -> None:
        values = {name.upper(): getattr(settings, name) for name in type(settings).model_fields}
        values |= {
            "GATELINE_SETTINGS": settings,
            "TESTING": settings.flask_env == "testing",
            "MAX_CONTENT_LENGTH": settings.max_body_bytes,
            "MAX_FORM_MEMORY_SIZE": min(settings.max_body_bytes, 500_000),
            "SQLALCHEMY_DATABASE_URI": settings.database_url,
            "JWT_ACCESS_TOKEN_EXPIRE_MINUTES": settings.access_token_minutes,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_SECURE": settings.production,
            # A crash is answered with the standard body, in tests and debug mode as well.
            "PROPAGATE_EXCEPTIONS": False,
        }
        vars(self).update(values)

    def __getattr__(self, name: str) -> Any:
        """Only for type checkers: every attribute is set by the constructor."""
        raise AttributeError(name)


class _Configurations(Mapping[str, FlaskConfig]):
    """Loads the settings when one is asked for, so that importing this reads nothing."""

    def __getitem__(self, name: str) -> FlaskConfig:
        if name not in _NAMES:
            raise KeyError(name)
        return FlaskConfig(Settings.load(flask_env=None if name == "default" else name))

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


config: Final[Mapping[str, FlaskConfig]] = _Configurations()
