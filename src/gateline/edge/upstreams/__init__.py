"""Services at run time: which target gets a request, who is left out, how much is repeated."""

from gateline.edge.upstreams.probing import ClientProber, Prober
from gateline.edge.upstreams.registry import Upstreams
from gateline.edge.upstreams.slots import Slots
from gateline.edge.upstreams.target import Target
from gateline.edge.upstreams.upstream import FAILURES, Upstream

__all__ = ["FAILURES", "ClientProber", "Prober", "Slots", "Target", "Upstream", "Upstreams"]
