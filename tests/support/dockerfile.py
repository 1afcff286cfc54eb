"""A Dockerfile read as Docker reads it: instructions, by stage."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """What one stage says: files it copies from the context, and how its container runs."""

    base: str
    runs: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    volumes: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def take(self, word: str, rest: str) -> None:
        """Note one instruction; commands are expected in their exact form, as JSON lists."""
        match word:
            case "RUN":
                self.runs.append(rest)
            case "ENV":
                self.env.update(re.findall(r"(\w+)=(\S*)", rest))
            case "COPY" if "--from=" not in rest:
                self.copies += shlex.split(rest)[:-1]
            case "USER":
                self.user = rest
            case "VOLUME":
                self.volumes += shlex.split(rest)
            case "EXPOSE":
                self.ports += map(int, rest.split())
            case "HEALTHCHECK":
                self.healthcheck = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                self.entrypoint = json.loads(rest)
            case "CMD":
                self.command = json.loads(rest)


def read_stages(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile; the last one is the image."""
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    stages: list[Stage] = []
    for instruction in filter(None, re.sub(r"\\\n\s*", "", text).splitlines()):
        word, _, rest = instruction.partition(" ")
        if word == "FROM":
            stages.append(Stage(rest.split()[0]))
        else:
            stages[-1].take(word, rest.strip())
    return stages
