"""Settings from command line, environment and files, checked whole before anything starts."""

from gateline.shared.config.flask_objects import FlaskConfig, config
from gateline.shared.config.problems import ConfigError, Problem
from gateline.shared.config.reference import SettingReference, env_example, reference
from gateline.shared.config.settings import Settings

__all__ = [
    "ConfigError",
    "FlaskConfig",
    "Problem",
    "SettingReference",
    "Settings",
    "config",
    "env_example",
    "reference",
]
