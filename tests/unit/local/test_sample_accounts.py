"""The sample accounts' passwords."""

import re

from gateline.local.sample_accounts import EMAILS, new_passwords


def test_each_account_has_a_password_of_its_own() -> None:
    """Knowing the patient's is not knowing the administrator's."""
    passwords = new_passwords(None)

    assert set(passwords) == set(EMAILS)
    assert len(set(passwords.values())) == len(EMAILS)
    assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){3}", word) for word in passwords.values())


def test_a_chosen_password_is_everybodys() -> None:
    """GATELINE_SAMPLE_PASSWORD sets one for all."""
    assert set(new_passwords("chosen").values()) == {"chosen"}
