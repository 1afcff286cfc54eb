"""One state of the reference as it is shown: read once, and each operation drawn once.

What a reader searches for only chooses among what is drawn: another query costs no drawing, and
leaves nothing behind.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from markupsafe import Markup

from gateline.web.reference.chapters import Chapter, Operation, chapters, narrowed
from gateline.web.reference.schemas import Json

Page = TypeVar("Page")


class Drawn(Generic[Page]):
    """A document, its chapters, what its operations look like, and the page that shows them all.

    `draw` gives the HTML of one operation. Several threads may use it: the worst is that two draw
    the same.
    """

    def __init__(self, document: Json, draw: Callable[[Operation], Markup]) -> None:
        self.document = document
        self._chapters = chapters(document)
        self._draw = draw
        self._operations: dict[tuple[str, str], Markup] = {}
        self._page: tuple[Hashable, Page] | None = None

    def chapters(self, query: str) -> list[Chapter]:
        """Return the chapters with what fits all words of `query`."""
        return narrowed(self._chapters, query)

    def operation(self, operation: Operation) -> Markup:
        """Return an operation as HTML."""
        key = (operation.method, operation.path)
        if key not in self._operations:
            self._operations[key] = self._draw(operation)
        return self._operations[key]

    def page(self, state: Hashable, make: Callable[[], Page]) -> Page:
        """Return the page with everything, made anew when `state`, what else it shows, differs."""
        if self._page is None or self._page[0] != state:
            self._page = (state, make())
        return self._page[1]
