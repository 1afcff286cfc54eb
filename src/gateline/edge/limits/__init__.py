"""Rate limits at the edge: leased from the store, spent here.

Every limit is one bucket in the store (`policy/gcra.py`). An edge takes several requests out of it
at once and spends them without asking again, so a busy key costs little and the limit of all edges
together still holds.
"""

from gateline.edge.limits.keeper import LimitKeeper
from gateline.edge.limits.store import ValkeyStore

__all__ = ["LimitKeeper", "ValkeyStore"]
