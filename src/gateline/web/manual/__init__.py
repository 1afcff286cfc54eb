"""The manual: the Markdown of `docs/` as pages, with an order, links that hold, and a search."""

from gateline.web.manual.pages import Group, Manual, Page, folder_of_manual
from gateline.web.manual.search import Finding, Section, search

__all__ = ["Finding", "Group", "Manual", "Page", "Section", "folder_of_manual", "search"]
