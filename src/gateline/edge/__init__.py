"""The front door: one ASGI application that matches, admits, identifies, allows, forwards, records.

`create_app` builds it from the settings of the process; any ASGI server can run it, granian is the
one it is measured with. `docs/life-of-a-request.md` is the map.
"""

from gateline.edge.app import Edge
from gateline.shared.config import Settings

__all__ = ["Edge", "create_app"]


def create_app(settings: Settings | None = None) -> Edge:
    """Return the edge; its connections are made when the server starts it."""
    from gateline.edge.composition import begin, compose
    from gateline.edge.sockets.own_events import socketio_events
    from gateline.shared import logs
    from gateline.shared.telemetry.handler import EntryHandler

    chosen = settings or Settings.load()
    handler = EntryHandler("edge")
    logs.configure("edge", chosen, also=[handler])
    register = socketio_events(chosen.gateline_socketio_events)
    start = begin(chosen)
    return Edge(lambda: compose(chosen, handler.backlog, register, start))
