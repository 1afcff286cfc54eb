"""What is wrong with a configuration, named by variable."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting: the variable's name and what would be right."""

    variable: str
    message: str

    def __str__(self) -> str:
        return f"{self.variable} {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` lists every wrong setting at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"the configuration is not usable:\n{lines}")
