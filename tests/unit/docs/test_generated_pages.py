"""What is made from the code is in step with it."""

import pytest

from generated_pages import FILES, ROOT


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_in_step(name: str) -> None:
    """Whoever changes a setting, a reason or a statement runs `make docs`."""
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name](), "run `make docs`"
