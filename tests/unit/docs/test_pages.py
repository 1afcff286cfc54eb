"""What the pages say is there: links, commands, variables, metrics, paths, code that compiles."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urldefrag

import click
import pytest
from markdown_it import MarkdownIt

from gateline.cli.command import cli
from gateline.edge.sockets.entrance import socket_routes
from gateline.policy.reasons import REASONS
from gateline.policy.routes import Destination, Route, RouteTable
from gateline.shared.config.settings import Settings, variables_of
from gateline.shared.routing import platform_routes
from gateline.web.manual.markdown import slug
from generated_pages import ROOT
from metrics_page import metrics

PAGES: Final = sorted(
    [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "deploy" / "README.md"]
)
TEXTS: Final = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PAGES}
MANUAL: Final = {name: text for name, text in TEXTS.items() if name.startswith("docs/")}
VARIABLES: Final = {name for field in Settings.model_fields for name in variables_of(field)}
OTHER_VARIABLES: Final = {
    "GATELINE_URL",  # written to .gateline/env for other shells
    "GATELINE_METRICS",
    "POSTGRES_PASSWORD",  # of the Compose file
    "FLASK_APP",  # of Flask's own command
    "GATELINE_SERVICE",  # told to an app of the gateway file
}
METHODS: Final = "GET|HEAD|POST|PUT|PATCH|DELETE"
OWN: Final = frozenset({"/health", "/livez", "/readyz", "/openapi.json", "/metrics"})

each_text = pytest.mark.parametrize("name", TEXTS)
each_page = pytest.mark.parametrize("name", MANUAL)


def _links(text: str) -> Iterator[str]:
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        for token in block.children or ():
            target = token.attrGet("href") or token.attrGet("src")
            if isinstance(target, str) and not re.match(r"[a-z]+:", target):
                yield target


def _anchors(path: Path) -> set[str]:
    tokens = MarkdownIt("commonmark").parse(path.read_text("utf-8"))
    return {slug(tokens[i + 1].content) for i, one in enumerate(tokens) if one.tag[:1] == "h"}


def _code(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of each block of code, and each piece within a line."""
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        if block.type == "fence":
            yield block.info, block.content
        for token in block.children or ():
            if token.type == "code_inline":
                yield "", token.content


def _commands(text: str, program: str) -> Iterator[list[str]]:
    """Yield the words after each call of a program; variables and redirections are left out."""
    call = re.compile(rf"(?:^|[ ./])(?:[A-Z_]+=\S+ )*{program} ([^|].+)")
    for language, code in _code(text):
        if language in {"python", "json"}:
            continue
        for line in code.replace("\\\n", " ").splitlines():
            found = call.match(line.removeprefix("$ "))
            if found:
                yield shlex.split(found[1], comments=True)


@each_text
def test_links_lead_somewhere(name: str) -> None:
    """Each link within the repository names a file, and a heading that it has."""
    for target in _links(TEXTS[name]):
        path, anchor = urldefrag(target)
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


@each_text
def test_commands_exist(name: str) -> None:
    """Each `gateline …` is a command with these options, each `make …` a target."""
    for words in _commands(TEXTS[name], "gateline"):
        _check(cli, words)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in _commands(TEXTS[name], "make"):
        assert words[0] in targets, words


def _check(command: click.Command, words: list[str]) -> None:
    """Follow the words from command to subcommand; every option on the way must be known."""
    context = click.Context(command)
    known = {option for one in command.get_params(context) for option in one.opts}
    for position, word in enumerate(words):
        if word.startswith("-"):
            assert word.partition("=")[0] in known, words
        elif isinstance(command, click.Group) and word.isascii() and word.strip("…."):
            for part in word.split("|"):
                found = command.get_command(context, part)
                assert found is not None, words
            assert found is not None
            _check(found, words[position + 1 :])
            return


@each_page
def test_variables_exist(name: str) -> None:
    """Each variable in the manual is a setting."""
    prefixes = r"(?:GATELINE|JWT|FLASK|LOG|DATABASE|REDIS|METRICS|SESSION|ADMIN|SERVICE|CORS)_"
    for _, code in _code(MANUAL[name]):
        found = set(re.findall(rf"(?<![\w.\"'])({prefixes}[A-Z_]+)\b", code))
        found |= set(re.findall(r"\b([A-Z]+_SERVICE_URL)\b", code))
        assert found <= VARIABLES | OTHER_VARIABLES | {"SERVICE_URL"}, code


@each_page
def test_paths_have_a_route(name: str) -> None:
    """Each `METHOD /path` in the manual is answered by the gateway."""
    # The manual's example of a service of one's own.
    shop = Route("shop", "/api/shop/*", Destination("shop"))
    table = RouteTable((*socket_routes(), *platform_routes(), shop))
    for _, code in _code(MANUAL[name]):
        for method, path in re.findall(rf"^({METHODS}) (/\S*)$", code):
            plain = re.sub(r"\{[^}]+\}|\*", "1", path)
            route = None if plain in OWN else table.match(method, "localhost", plain).route
            assert plain in OWN or (route is not None and not route.name.startswith("unknown"))


@each_page
def test_python_compiles(name: str) -> None:
    """Each block of Python is Python."""
    for language, code in _code(MANUAL[name]):
        if language == "python":
            compile(code, name, "exec")


def test_metrics_in_the_manual_are_ours() -> None:
    """Whatever the manual calls a metric is one."""
    known = {metric.name for metric in metrics()}
    suffixes = re.compile(r"_(bucket|sum|count)$")
    for name, text in MANUAL.items():
        named = set(re.findall(r"\bgateline_[a-z]+_\w+", text))
        assert {suffixes.sub("", one) for one in named} - {"gateline_session"} <= known, name


def test_reasons_in_the_manual_are_ours() -> None:
    """Whatever the manual shows as a reason is one."""
    for name, text in MANUAL.items():
        named = set(re.findall(r'"reason":"(\w+)"', text)) | set(
            re.findall(r"[45]\d\d `(\w+)`", text)
        )
        assert named <= REASONS.keys(), name


def test_every_page_is_in_the_table_of_contents() -> None:
    """`index.md` leads to each page."""
    index = ROOT / "docs" / "index.md"
    led_to = {(index.parent / target).resolve() for target in _links(index.read_text("utf-8"))}
    assert {path for path in PAGES if path.is_relative_to(index.parent)} - {index} <= led_to
