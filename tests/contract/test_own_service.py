"""The page about one's own Flask app: what it prints is run, with the platform's settings."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from running_platform import RunningPlatform

from gateline.local.engines import wait_until
from gateline.local.ports import reserve

PAGE = Path(__file__).parents[2] / "docs" / "existing-flask-app.md"
PATH = "/api/v1/doctors/duty"


@pytest.fixture
def service(platform: RunningPlatform, tmp_path: Path) -> Iterator[str]:
    """Run the page's service as the page says, and give its address."""
    code = re.search(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "duty.py").write_text(code[1])
    environment = {**os.environ, "GATELINE_DATA_DIR": str(platform.folder / "data")}
    flask = [sys.executable, "-m", "flask", "--app", "duty"]
    subprocess.run([*flask, "create-tables"], cwd=tmp_path, env=environment, check=True)
    holder = reserve("127.0.0.1", 0)
    port = holder.getsockname()[1]
    holder.close()
    process = subprocess.Popen(
        [*flask, "run", "--port", str(port)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    assert wait_until(lambda: _is_ready(url), seconds=20)
    yield url
    process.terminate()
    process.wait(10)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).status_code == 200
    except requests.ConnectionError:
        return False


def test_the_service_of_the_page(service: str, platform: RunningPlatform, http: Any) -> None:
    """It keeps shifts, names wrong fields, and asks another service in the doctor's name."""
    login = {"email": "doctor@example.com", "password": platform.accounts["doctor@example.com"]}
    found = http("POST", "/api/v1/auth/login", json=login).json()
    bearer = {"Authorization": f"Bearer {found['access_token']}"}

    def ask(method: str, path: str = PATH, **options: Any) -> requests.Response:
        return requests.request(method, service + path, timeout=15, headers=bearer, **options)

    taken = ask("POST", json={"day": "2027-01-15"})
    wrong = ask("POST", json={"day": "soon"}).json()["details"]

    assert (taken.status_code, taken.json()) == (201, {"day": "2027-01-15"})
    assert (wrong["reason"], list(wrong["fields"])) == ("validation_failed", ["day"])
    assert ask("GET").json()["items"] == [{"day": "2027-01-15", "user_id": found["user"]["id"]}]
    assert len(ask("GET", f"{PATH}/patients").json()["items"]) == 2
    assert requests.get(service + PATH, timeout=15).status_code == 401
