"""The `gateline` command."""

from gateline.cli.command import cli, main

__all__ = ["cli", "main"]
