"""What is wrong with a gateway file, named by file, line and field."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateline.shared.config.problems import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing in a file that is wrong, or with `warning` only doubtful.

    `line` counts from 1, `field` is dotted as a person would write it (`routes[2].auth`), `remedy`
    says what would be right.
    """

    path: Path
    line: int
    field: str
    message: str
    remedy: str = ""
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        text = f"{self.path}:{self.line}: {kind}{self.field}: {self.message}"
        return f"{text}; {self.remedy}" if self.remedy else text


class GatewayFileError(ConfigError):
    """The gateway file cannot be used; `found` lists everything that is wrong at once."""

    def __init__(self, found: Sequence[FileProblem]) -> None:
        self.found = tuple(found)
        super().__init__([Problem(str(problem), "") for problem in found])

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.found)
