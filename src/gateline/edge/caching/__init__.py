"""The edge's shared cache of answers, off unless a route has a rule for it (RFC 9111)."""

from gateline.edge.caching.asking import Asking
from gateline.edge.caching.responses import ResponseCache
from gateline.edge.caching.storage import Storage, Stored

__all__ = ["Asking", "ResponseCache", "Storage", "Stored"]
