"""The `gateline` command."""
