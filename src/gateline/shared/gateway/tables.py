"""What every table of a gateway file is made of: settings, and shorter ways to write them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

TEXT: Final = {"type": "string"}
OFF: Final = {"const": False, "type": "boolean"}


class Table(BaseModel):
    """A table of the file: nothing but what it declares may stand in it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title=None)


def wrong(message: str, remedy: str) -> PydanticCustomError:
    """Return the error of a value: what is wrong with it, and what would be right."""
    return PydanticCustomError("gateway", "{message}", {"message": message, "remedy": remedy})


@dataclass(frozen=True, slots=True, eq=False)
class Shorthand:
    """Lets a person write less than the whole: `expand` turns that into the whole.

    `forms` are the JSON Schemas of what may be written besides the whole; with `item` one item of
    a list may stand for the list.
    """

    expand: Callable[[Any], Any]
    forms: tuple[dict[str, Any], ...]
    item: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Expand before anything is checked."""
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Offer the short forms beside the whole."""
        inner = handler(schema["schema"])
        return {"anyOf": [*self.forms, *([inner["items"]] if self.item else []), inner]}


def setting(default: Any, description: str, example: Any = None) -> Any:
    """Declare a setting: what it does, and what one might write."""
    return Field(default, description=description, examples=None if example is None else [example])


def as_list(value: object) -> object:
    """Return a single text or table as a list of one."""
    return [value] if isinstance(value, (str, dict)) else value


def or_off(value: object) -> object:
    """Return None for `false`."""
    return None if value is False else value


LIST: Final = Shorthand(as_list, (TEXT,))
