"""What all processes tell about themselves in Valkey: log records, access lines, traffic.

| key | what |
|---|---|
| `gateline:logs` | capped stream of log records and access lines (`LogQuery`, `Telemetry.logs`) |
| `gateline:traffic:{minute}` | hash with the sums of all edges (`Telemetry.traffic`), for 25 h |
| `gateline:seconds` | capped stream of traffic events (`Telemetry.seconds`) |
| `gateline:live` | channel: `traffic`, `request` and `log` events as they happen |

Telling never blocks or fails a request: it is queued, written in the background and, when the
queue is full or Valkey is away, dropped and counted.
"""

from gateline.shared.telemetry.entries import Entry, LogQuery
from gateline.shared.telemetry.figures import Figures, Minute, Second, figures_of_event, total
from gateline.shared.telemetry.readers import LogPage, Telemetry

__all__ = [
    "Entry",
    "Figures",
    "LogPage",
    "LogQuery",
    "Minute",
    "Second",
    "Telemetry",
    "figures_of_event",
    "total",
]
