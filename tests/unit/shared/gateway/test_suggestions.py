"""A typo is met with the word that was meant."""

import pytest

from gateline.shared.gateway.suggestions import closest, one_of


@pytest.mark.parametrize(
    ("written", "meant"),
    [("sesion", "session"), ("SESSION", "session"), ("non", "none"), ("weekly", None)],
)
def test_the_closest_name(written: str, meant: str | None) -> None:
    """Case and single letters do not matter; what looks like nothing is nothing."""
    assert closest(written, ("none", "optional", "session")) == meant


def test_remedies() -> None:
    """A guess where there is one, else the choices, a few of many, or that there are none."""
    assert one_of("optionl", ("none", "optional")) == "did you mean 'optional'?"
    assert one_of("x", ("none", "optional")) == "choose one of none, optional"
    assert one_of("x", ()) == "there are none"
    assert one_of("x", map(str, range(20))).endswith("and more")
