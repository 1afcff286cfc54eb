"""The gateway file, read anew when it changes or when somebody says so.

A file is checked whole and compiled beside the version that serves, then swapped in at once. A bad
one is refused with all its problems, and the old version goes on.
"""

import asyncio
import contextlib
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import Counter, Gauge

from gateline.edge.gateway import Compiled, Gateway
from gateline.edge.pipeline import Pipeline
from gateline.shared.config import ConfigError
from gateline.shared.gateway import GatewayFileError, GatewayPlan
from gateline.shared.gateway.last_good import LastGood
from gateline.shared.pacing import unhurried
from gateline.shared.stamps import Stamp, stamp

CONFIG_AGE: Final = Gauge(
    "gateline_config_age_seconds",
    "Time since the gateway's configuration was taken, by the worker that did so first.",
    multiprocess_mode="livemax",
)
CONFIG_HASH: Final = Gauge(
    "gateline_config_hash",
    "The version of the configuration that serves, as a number; 0 for the one that is built in.",
    multiprocess_mode="livemostrecent",
)
CONFIG_REFUSED: Final = Gauge(
    "gateline_config_refused",
    "1 while what stands in the gateway file is not taken, because it is wrong.",
    multiprocess_mode="livemax",
)
RELOADS: Final = Counter(
    "gateline_config_reloads_total", "Readings of the gateway file, taken or refused.", ["result"]
)

_LOOK_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 0.05
_SHORT_TURNS_SECONDS: Final = 0.0005
_MOST_PLACES: Final = 20
_log = logging.getLogger(__name__)

"""What tells that a file changed without reading it: modification time, size, inode."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reading that was not taken: when (epoch seconds), and which lines and fields are wrong."""

    at: float
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a reload.

    `load` makes a plan of the file's text and `compile` prepares it, both in a thread and
    unhurriedly; `build` makes the version inside the event loop. Each may raise ConfigError or
    ValueError.
    """

    load: Callable[[str | None], GatewayPlan]
    compile: Callable[[GatewayPlan], Compiled]
    build: Callable[[GatewayPlan, Compiled], Gateway]


class EmptyFile(OSError):
    """Nothing stands in a file that had something: editors and copies leave it so for a moment."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker starts with: the plan, and the text of the file as it was found.

    `refusal` says that the file was wrong and the plan is the last good one.
    """

    plan: GatewayPlan
    text: str | None
    refusal: Refusal | None = None


def first_plan(
    path: Path,
    load: Callable[[str | None], GatewayPlan],
    recall: Callable[[str], GatewayPlan],
    last_good: LastGood,
) -> Start:
    """Return the plan to start with: the file's, or when that is wrong the last good one.

    `recall` makes a plan of a text that served before. A file that is still the same has not become
    wrong, whatever became of the files that it names. Raises GatewayFileError when there is no
    last good one: nothing served before.
    """
    text, kept = None, last_good.text()
    try:
        text = _read(path)
        if _is_empty(text) and not _is_empty(kept):
            raise FileNotFoundError(path) if text is None else EmptyFile(path)
        plan = load(text)
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        if kept is None:
            raise
        problems, places = _told(error)
        plan = recall(kept)
        if text == kept:
            for problem in problems:
                _log.warning("%s", problem)
            return Start(plan, text)
        _say_refused(problems, path, plan)
        return Start(plan, text, Refusal(time.time(), places))
    last_good.keep(text)
    return Start(plan, text)


class Switch:
    """Takes versions into use, whole or not at all.

    `followers` are told of a version before requests get it; one that cannot follow raises before
    it has changed anything, and then those before it are told of the earlier version again.
    `settled` are told afterwards, to let go of what the version does not need.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        followers: Iterable[Callable[[Gateway], None]],
        settled: Iterable[Callable[[Gateway], None]] = (),
    ) -> None:
        self._pipeline = pipeline
        self._followers = tuple(followers)
        self._settled = tuple(settled)

    def to(self, gateway: Gateway) -> None:
        """Let every request from now on be decided by this version.

        Raises what a follower raises; then the version before serves on.
        """
        before = self._pipeline.gateway
        for number, told in enumerate(self._followers):
            try:
                told(gateway)
            except BaseException:
                for earlier in self._followers[:number]:
                    earlier(before)
                raise
        self._pipeline.gateway = gateway
        for told in self._settled:
            try:
                told(gateway)
            except Exception:  # noqa: BLE001 # it serves; what is kept for nothing harms nobody
                _log.exception("what earlier configurations used could not be let go of")


class Reloader:
    """Keeps the version that serves true to its file.

    `swap` takes a new one into use, or raises and leaves the one before. `path` is the file,
    whether it is there or not.
    """

    def __init__(
        self,
        path: Path,
        steps: Steps,
        swap: Callable[[Gateway], None],
        *,
        current: Gateway,
        start: "Start",
        last_good: LastGood,
    ) -> None:
        self._path = path
        self._steps = steps
        self._swap = swap
        self._current = current
        self._text = start.text
        self._last_good = last_good
        self._asked = asyncio.Event()
        self._seen: Stamp | None = None
        self.refusal = start.refusal

    def ask(self) -> None:
        """Read the file anew even if it looks the same."""
        self._asked.set()

    async def run(self) -> None:
        """Look at the file once a second until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _LOOK_SECONDS)
            asked = self._asked.is_set()
            self._asked.clear()
            await self.look(asked=asked)

    async def look(self, *, asked: bool = False) -> None:
        """Take the file if it changed since it was last looked at, or if somebody `asked`."""
        found = stamp(self._path)
        if found == self._seen and not asked:
            return
        if not asked:
            # Somebody may be writing: what is half there must not be taken for all of it.
            await asyncio.sleep(_SETTLE_SECONDS)
            if stamp(self._path) != found:
                return
        try:
            text = _read(self._path)
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(*_told(error))
            self._seen = found
            return
        changed = text != self._text
        self._seen, self._text = found, text
        if changed or asked:
            await self._take(text)

    def report(self) -> dict[str, Any]:
        """Return what health says of the configuration; places, not values: anybody may look."""
        now = time.time()
        refused = self.refusal
        return {
            "version": self._current.plan.version,
            "age_seconds": round(max(0.0, now - self._current.since), 1),
            "path": self._path.name if self._current.plan.path is not None else None,
            "refused": (
                None
                if refused is None
                else {
                    "age_seconds": round(max(0.0, now - refused.at), 1),
                    "problems": list(refused.places),
                }
            ),
        }

    def gauge(self) -> None:
        """Set the figures of the configuration."""
        version = self._current.plan.version
        CONFIG_AGE.set(max(0.0, time.time() - self._current.since))
        CONFIG_HASH.set(_number(version))
        CONFIG_REFUSED.set(int(self.refusal is not None))

    async def _take(self, text: str | None) -> None:
        if _is_empty(text) and self._current.plan.path is not None:
            what = "not there any more" if text is None else "empty"
            self._refuse([f"{self._path} is {what}"], ("file",))
            return
        with _unnoticed():
            try:
                plan, compiled = await asyncio.to_thread(self._prepare, text)
                gateway = self._steps.build(plan, compiled)
                self._swap(gateway)
            except (ConfigError, ValueError, OSError) as error:
                self._refuse(*_told(error))
            except Exception as error:  # noqa: BLE001 # our own fault must not end the watch
                _log.exception("the gateway file could not be read")
                self._refuse(*_told(error))
            else:
                self._accept(gateway, text)
                # A version has no cycles: nobody needs to look for garbage in it.
                gc.freeze()

    def _prepare(self, text: str | None) -> tuple[GatewayPlan, Compiled]:
        with unhurried():
            plan = self._steps.load(text)
            return plan, self._steps.compile(plan)

    def _accept(self, gateway: Gateway, text: str | None) -> None:
        before = self._current.plan
        self._current = gateway
        self.refusal = None
        RELOADS.labels("taken").inc()
        for problem in gateway.plan.problems:
            _log.warning("%s", problem)
        _log.info(
            "configuration %s serves now, %d routes (before: %s)",
            *(gateway.plan.version, len(gateway.plan.routes), before.version),
        )
        if gateway.plan.tls != before.tls:
            _log.warning("[gateway.tls] is other than before: start the server anew to use it")
        self._last_good.keep(text)

    def _refuse(self, problems: Iterable[str], places: tuple[str, ...]) -> None:
        self.refusal = Refusal(time.time(), places)
        RELOADS.labels("refused").inc()
        _say_refused(problems, self._path, self._current.plan)


def _is_empty(text: str | None) -> bool:
    return not (text and text.strip())


def _told(error: Exception) -> tuple[list[str], tuple[str, ...]]:
    """Return what is wrong, for the log, and where, for anybody."""
    if isinstance(error, GatewayFileError):
        places = [f"{one.path.name}:{one.line}: {one.field}" for one in error.found]
        return [str(one) for one in error.found], tuple(places[:_MOST_PLACES])
    return [f"{type(error).__name__}: {error}"], ("file",)


def _say_refused(problems: Iterable[str], path: Path, serving: GatewayPlan) -> None:
    for problem in problems:
        _log.error("%s", problem)
    _log.error("%s is not taken; configuration %s serves on", path.name, serving.version)


@contextlib.contextmanager
def _unnoticed() -> Iterator[None]:
    """Let requests not feel that a version is made beside them.

    A thread that computes gives way to them ten times sooner than it would, also where it cannot
    rest, and the many new objects start no search for garbage, which would stop everything for
    tens of milliseconds.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SHORT_TURNS_SECONDS)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        sys.setswitchinterval(before)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None


def _number(version: str) -> int:
    try:
        return int(version, 16)
    except ValueError:
        return 0
