"""What a form consists of."""

import pytest

from gateline.web.forms import Field


@pytest.mark.parametrize(
    ("field", "plain"),
    [
        (Field("a", "A"), False),
        (Field("a", "A", "tel"), False),
        (Field("a", "A", "email"), True),
        (Field("a", "A", "password"), True),
    ],
)
def test_addresses_and_passwords_are_typed_as_they_are(field: Field, plain: bool) -> None:
    """No browser capitalises or corrects an address or a password."""
    assert field.plain is plain
