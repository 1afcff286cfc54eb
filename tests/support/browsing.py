"""A real browser for tests: people with sessions, what went wrong on a page, and how it looks."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESK: Final = (1280, 800)
PHONE: Final = (360, 740)
SIZES: Final = (DESK, PHONE)
SCHEMES: Final = ("light", "dark")
PASSWORD: Final = "correct horse battery"

# No sandbox: a container has no room for one. The suggestions below the address bar are a page of
# their own, which each window would load: half of what a visit costs. Of several lists the browser
# heeds the last, so what playwright does without for pages is in it again.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,AimEnabled,LensOverlay,MediaRouter,"
    "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,"
    "DestroyProfileOnBrowserClose,OptimizationHints,NetworkTimeServiceQuerying,PreconnectToSearch",
)

_AXE: Final = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
# Preloading reads style sheets and media anew, for rules on rotation and sound: none is asked for.
_RUN_AXE: Final = """async rules => {
  const only = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
  const given = {resultTypes: ["violations"], preload: false, ...only};
  const found = await axe.run(document, given);
  return found.violations.flatMap(rule => rule.nodes.map(
    node => `${rule.id}: ${node.html.slice(0, 160)} (${node.failureSummary.split("\\n")[1]})`));
}"""
_TELL_POLICY: Final = """addEventListener("securitypolicyviolation", event =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""
_ANNOUNCED: Final = "Failed to load resource: the server responded with a status of"


def browser_program() -> str:
    """Return the system's browser; `GATELINE_CHROMIUM` names another."""
    named = os.environ.get("GATELINE_CHROMIUM")
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if not (named or found):
        raise AssertionError("no Chromium: install one or set GATELINE_CHROMIUM")
    return named or str(found)


@dataclass
class Visit:
    """One person's browser. `refusals` are the statuses that a test expects on the way.

    `screenshots` is the folder for pictures of what was looked at; None: nobody wants any.
    """

    context: BrowserContext
    page: Page
    screenshots: Path | None
    name: str = "somebody"
    refusals: set[int] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    @classmethod
    def begin(
        cls, browser: Browser, url: str, screenshots: Path | None, *, scripts: bool = True
    ) -> "Visit":
        """Open a browser with no session, listening for everything that goes wrong."""
        context = browser.new_context(
            base_url=url,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            viewport={"width": DESK[0], "height": DESK[1]},
        )
        context.set_default_timeout(10_000)
        if scripts:
            context.add_init_script(_TELL_POLICY)
        visit = cls(context, context.new_page(), screenshots)
        visit.page.on("console", visit._hear)
        visit.page.on("pageerror", lambda error: visit.troubles.append(f"script: {error}"))
        visit.page.on("requestfailed", lambda sent: visit._miss(sent.url, sent.failure))
        visit.page.on("response", visit._see)
        return visit

    def log_in(self, kind: str, email: str, password: str) -> "Visit":
        """Open a session as the browser API does, without the dialog."""
        path = {"admin": "/admin/login", "customer": "/api/v1/auth/login"}.get(
            kind, f"/api/web/auth/{kind}/login"
        )
        name = "username" if kind == "admin" else "email"
        answer = self.context.request.post(path, data={name: email, "password": password})
        assert answer.ok, answer.text()
        self.name = kind
        return self

    def see(self, path: str, *, status: int = 200) -> Page:
        """Go to a page and wait until it is quiet."""
        if status >= 400:
            self.refusals.add(status)
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status
        return self.page

    def inspect(
        self,
        name: str,
        sizes: Iterable[tuple[int, int]] = SIZES,
        schemes: Iterable[Any] = SCHEMES,
        *,
        pictures: bool = True,
    ) -> None:
        """Look at the page in every size and scheme: nothing sticks out, axe finds nothing.

        What depends on the scheme alone is contrast: all rules run once in each size.
        """
        self.page.evaluate(_AXE)
        found: list[str] = []
        whole: set[int] = set()
        for width, height in sizes:
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in schemes:
                self.page.emulate_media(color_scheme=scheme)
                look = f"{name} {width} {scheme}"
                if self.page.evaluate("document.documentElement.scrollWidth") > width:
                    found.append(f"{look}: wider than the window")
                rules = ["color-contrast"] if width in whole else []
                whole.add(width)
                found += [f"{look}: {text}" for text in self.page.evaluate(_RUN_AXE, rules)]
                if pictures:
                    self.picture(f"{name}-{width}-{scheme}", full_page=True)
        assert not found, "\n".join(found)

    def picture(self, name: str, *, full_page: bool = False) -> None:
        """Take a picture of the page, if anybody wants one."""
        if self.screenshots is not None:
            file = self.screenshots / f"{self.name}-{name}.png"
            self.page.screenshot(path=file, full_page=full_page)

    def end(self) -> None:
        """Close the browser and fail for everything that went wrong."""
        self.context.close()
        assert not self.troubles, "\n".join(self.troubles)

    def _hear(self, message: ConsoleMessage) -> None:
        expected = any(f"{_ANNOUNCED} {status}" in message.text for status in self.refusals)
        if message.type in ("error", "warning") and not expected:
            self.troubles.append(f"console: {message.text} at {self.page.url}")

    def _see(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.refusals:
            self.troubles.append(f"answer: {response.status} {response.url}")

    def _miss(self, url: str, why: str | None) -> None:
        # Leaving a page cancels what it still asks for; that is no failure.
        if why != "net::ERR_ABORTED":
            self.troubles.append(f"request: {why} {url}")
