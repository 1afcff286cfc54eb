"""Try an installed Gateline: what it must bring along, and the whole platform once.

Run with the Python of an environment that has only the wheel, from a folder without the sources.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

START_SECONDS = 90
BROUGHT = {
    "migrations of auth": ("gateline.auth", "migrations/versions/*.py"),
    "migrations of the clinic": ("gateline.sample.clinic", "migrations/versions/*.py"),
    "templates": ("gateline.web", "templates/**/*.html"),
    "static files": ("gateline.web", "static/**/*.*"),
    "Lua scripts": ("gateline.shared", "lua/*.lua"),
    "sample data": ("gateline.sample.clinic", "seed*.py"),
    "the marker of types": ("gateline", "py.typed"),
}


def main() -> None:
    """Check the files, then start, log in, read one's own data, stop."""
    for what, (package, pattern) in BROUGHT.items():
        folder = Path(str(files(package)))
        found = list(folder.glob(pattern))
        assert found, f"the wheel has no {what}: {package}/{pattern}"
        assert "site-packages" in str(folder), f"{package} is not the installed one: {folder}"
        print(f"ok: {what} ({len(found)})")
    version = subprocess.check_output([sys.executable, "-m", "gateline", "--version"], text=True)
    print(f"ok: {version.strip()}")
    with tempfile.TemporaryDirectory(prefix="gateline-smoke-") as folder_name:
        run_platform(Path(folder_name))


def run_platform(folder: Path) -> None:
    """Run `gateline up` in an empty folder and use it."""
    password = "a-password-for-the-smoke-test"
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gateline", "up", "--port", "0"],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "GATELINE_SAMPLE_PASSWORD": password},
    )
    try:
        url = wait_for_url(process, folder)
        token = call(
            f"{url}/api/v1/auth/login", {"email": "patient@example.com", "password": password}
        )["access_token"]
        me = call(f"{url}/api/v1/patients/me", token=token)
        assert me["email"] == "patient@example.com", me
        print(f"ok: the platform answers through {url}: {me['name']}")
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-6000:])
        raise
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
    assert code == 0, f"gateline up ended with {code}"
    print("ok: stopped")


def wait_for_url(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Return the platform's address as soon as it has written it down."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        env = folder / ".gateline" / "env"
        for line in env.read_text().splitlines() if env.is_file() else ():
            if line.startswith("GATELINE_URL="):
                return line.partition("=")[2].strip("'")
        time.sleep(0.1)
    raise AssertionError(f"no platform within {START_SECONDS} s (exit code {process.poll()})")


def call(url: str, body: object = None, *, token: str = "") -> dict[str, str]:
    """Send a request and return the JSON answer."""
    request = urllib.request.Request(
        url, data=None if body is None else json.dumps(body).encode()
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        parsed: dict[str, str] = json.load(answer)
    return parsed


if __name__ == "__main__":
    main()
