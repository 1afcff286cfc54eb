"""All schemas together."""

from pathlib import Path

import pytest

import gateline
from gateline.local import schemas
from gateline.local.errors import LocalError


def test_every_service_with_migrations_is_known() -> None:
    """A new schema cannot be forgotten."""
    root = Path(gateline.__file__).parent
    with_migrations = {
        ".".join(["gateline", *folder.parent.relative_to(root).parts])
        for folder in root.rglob("migrations")
        if folder.is_dir()
    }

    assert with_migrations == set(schemas.OWNERS.values())


def test_one_service_or_all() -> None:
    """A name chooses, no name takes all, a wrong one lists them."""
    assert list(schemas.migrations_named("auth")) == ["auth"]
    assert list(schemas.migrations_named(None)) == list(schemas.OWNERS)
    with pytest.raises(LocalError, match="there are: auth, clinic"):
        schemas.migrations_named("web")


def test_the_fingerprint_changes_with_any_migration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A database marked with it needs nothing, so it must not miss a change."""
    folder = tmp_path / "auth" / "migrations" / "versions"
    folder.mkdir(parents=True)
    monkeypatch.setattr(gateline, "__file__", str(tmp_path / "__init__.py"))
    prints = set()
    for name, text in (("1.py", "a"), ("1.py", "b"), ("2.py", "")):
        (folder / name).write_text(text)
        prints.add(schemas.fingerprint())

    assert len(prints) == 3
