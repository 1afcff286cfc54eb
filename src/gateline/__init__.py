"""Gateline: the front door for a team's HTTP services."""

__version__ = "0.1.0"

__all__ = ["__version__"]
