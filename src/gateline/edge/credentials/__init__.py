"""Who sends a request, told by what is no session of ours: API keys and tokens of other issuers."""

from gateline.edge.credentials.fetching import fetcher
from gateline.edge.credentials.keeper import CredentialKeeper

__all__ = ["CredentialKeeper", "fetcher"]
