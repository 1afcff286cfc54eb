"""Bring the database of a platform to where this version wants it, in a process of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateline.local import environment
from gateline.local.console import Console
from gateline.local.errors import LocalError
from gateline.local.plan import Plan
from gateline.local.processes import Program, launch_command, signal_group
from gateline.local.sample_accounts import new_passwords

_PREPARATION: Final = (sys.executable, "-P", "-m", "gateline.local.preparation")
_PASSWORDS_NEW: Final = "Shown this once: only their hashes are kept."
_SAMPLE_PEOPLE: Final = "patient@, doctor@, institution@, admin@ and customer@example.com"
_PASSWORDS_CHOSEN: Final = f"{_SAMPLE_PEOPLE}: the password is that of GATELINE_SAMPLE_PASSWORD."
# The start that made them may have been interrupted before it showed them.
_PASSWORDS_KEPT: Final = (
    f"{_SAMPLE_PEOPLE}: the passwords are those of an earlier start. "
    "Lost or never seen? GATELINE_SAMPLE_PASSWORD sets a new one."
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The passwords that were made, by account, and what to say about accounts."""

    passwords: Mapping[str, str]
    note: str


async def prepare_database(plan: Plan, console: Console, shared: Mapping[str, str]) -> Prepared:
    """Migrate and load sample accounts and data where needed; raise LocalError when it fails."""
    from gateline.local.preparation import FirstAdmin, read_mark

    if not plan.gateway.platform:
        return Prepared({}, "")
    chosen = plan.settings.gateline_sample_password
    passwords = {} if plan.production else dict(new_passwords(chosen))
    note = "" if plan.production else _PASSWORDS_CHOSEN if chosen else _PASSWORDS_KEPT
    if await asyncio.to_thread(read_mark, plan.settings.database_url) == plan.mark:
        return Prepared({}, note)
    console.say(f"Preparing the database: {_what(plan)}")
    request = {
        "passwords": passwords,
        "reset": bool(chosen),
        "mark": plan.mark,
        "samples": plan.gateway.samples,
    }
    done = await _run(request, console, shared)
    if done["admin"] is not None:
        # At once: should another part not start, nobody would ever see it.
        console.say(str(FirstAdmin(**done["admin"])))
    made = {email: passwords[email] for email in done["made"]}
    return Prepared(made, _PASSWORDS_NEW) if made and not chosen else Prepared({}, note)


def _what(plan: Plan) -> str:
    if plan.production:
        return "migrations"
    return f"migrations and sample {'data' if plan.gateway.samples else 'accounts'}"


async def _run(
    request: dict[str, Any], console: Console, shared: Mapping[str, str]
) -> dict[str, Any]:
    program = Program("prepare", _PREPARATION, environment.service_environment("auth", shared))
    process = await asyncio.create_subprocess_exec(
        *launch_command(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(program.environment or {}),
        process_group=0,
    )
    try:
        output, errors = await process.communicate(json.dumps(request).encode())
    finally:
        signal_group(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        console.write("prepare", errors)
        raise LocalError("The database could not be prepared: the reason is above.")
    # The answer is the last line; what was logged before it is for people.
    logged, _, last = output.rstrip(b"\n").rpartition(b"\n")
    console.write("prepare", logged + b"\n" if logged else b"")
    answer: dict[str, Any] = json.loads(last)
    return answer
