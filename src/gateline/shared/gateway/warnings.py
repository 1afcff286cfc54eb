"""What is allowed in a gateway file and probably not meant."""

from gateline.shared.gateway.checking import Checked


def check(checked: Checked) -> None:
    """Note everything doubtful about a file without errors."""
    del checked
