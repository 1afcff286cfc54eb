"""`gateline key new`."""

import hashlib
import tomllib

import pytest
from click.testing import CliRunner, Result

from gateline.cli.keys import key


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(key, arguments)


def test_a_key_and_its_table() -> None:
    """The table holds the hash of the key, and is what the gateway file takes."""
    made = _run("new", "warehouse", "--user-type", "partner", "--rate-limit", "600/minute")
    assert made.exit_code == 0, made.output
    secret, _, table = made.stdout.partition("\n")

    assert tomllib.loads(table)["api_keys"] == [
        {
            "name": "warehouse",
            "sha256": hashlib.sha256(secret.encode()).hexdigest(),
            "user_type": "partner",
            "rate_limit": "600/minute",
        }
    ]
    assert len(secret) > 40
    assert secret not in table


def test_no_two_keys_are_alike() -> None:
    """Each is made of fresh random bytes."""
    assert _run("new", "a").stdout != _run("new", "a").stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("new", "Bad Name"), "NAME"),
        (("new", "a", "--rate-limit", "often"), "--rate-limit"),
        (("new",), "NAME"),
    ],
)
def test_wrong_use_is_explained(arguments: tuple[str, ...], text: str) -> None:
    """What the file would refuse is refused here."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert text in result.stderr
