"""The clinic's tables."""

from typing import Any

import sqlalchemy as sa

from gateline.sample.clinic.models import Patient, fold


def test_searches_fold_as_the_column_does(empty_clinic: Any) -> None:
    """Python and PostgreSQL agree on lower case and accents, or searches would miss."""
    name = "ÁÀÄÂ Núñez Öçü ÿ ß İ"
    empty_clinic.execute(sa.insert(Patient).values(name=name, email="A@B.example"))
    [(search,)] = empty_clinic.execute(sa.select(Patient.search))
    assert search.startswith("aaaa nunez ocu")
    assert fold("NÚÑEZ") in search
    assert fold("a@B") in search
