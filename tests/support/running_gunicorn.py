"""A real `gunicorn "gateline.web:create_app()"` for tests, asked as the edge is."""

import sys

from running_edge import RunningEdge


class RunningGunicorn(RunningEdge):
    """The Flask-only gateway in a process group of its own."""

    def command(self) -> tuple[str, ...]:
        """Return its command line."""
        return (
            *(sys.executable, "-m", "gunicorn", "--threads", "8", "--no-control-socket"),
            *("--bind", f"127.0.0.1:{self.port}", "gateline.web:create_app()"),
        )

    def is_ready(self) -> bool:
        """Tell whether it serves."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"gunicorn ended:\n{self.output}")
        return self._serves()
