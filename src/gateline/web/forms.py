"""What a form consists of, for the templates that draw it."""

from dataclasses import dataclass
from typing import Literal

InputType = Literal["text", "email", "tel", "password", "date"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `half` fields stand in pairs where there is room."""

    name: str
    label: str
    type: InputType = "text"
    autocomplete: str = "off"
    required: bool = True
    hint: str = ""
    half: bool = False
    longest: int = 256

    @property
    def plain(self) -> bool:
        """Tell that the browser should neither capitalise nor correct what is typed."""
        return self.type in ("email", "password")
