"""What is drawn once and shown to many."""

from typing import Any

from markupsafe import Markup

from gateline.web.reference.chapters import Operation
from gateline.web.reference.drawing import Drawn

DOCUMENT: dict[str, Any] = {
    "paths": {f"/{word}": {"get": {"summary": word}} for word in ("alpha", "beta", "gamma")}
}


class Pen:
    """Draws operations, and remembers which."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def __call__(self, operation: Operation) -> Markup:
        """Draw."""
        self.drawn.append(operation.path)
        return Markup("<p>{}</p>").format(operation.title)


def _shown(drawn: Drawn[str], query: str) -> str:
    found = [one for chapter in drawn.chapters(query) for one in chapter.operations]
    return "".join(map(drawn.operation, found))


def test_an_operation_is_drawn_once_whatever_is_searched_for() -> None:
    """A query joins what is drawn already."""
    pen = Pen()
    drawn: Drawn[str] = Drawn(DOCUMENT, pen)
    assert _shown(drawn, "alpha") == "<p>alpha</p>"
    assert pen.drawn == ["/alpha"]
    assert _shown(drawn, "") == "<p>alpha</p><p>beta</p><p>gamma</p>"
    for number in range(100):
        _shown(drawn, f"a {number}")
        _shown(drawn, "get a")
    assert sorted(pen.drawn) == ["/alpha", "/beta", "/gamma"]


def test_the_whole_page_is_made_once_for_each_state() -> None:
    """It is made anew when what else it shows has changed, and only the last one is kept."""
    drawn: Drawn[str] = Drawn(DOCUMENT, Pen())
    made: list[str] = []

    def make() -> str:
        made.append("page")
        return f"page {len(made)}"

    assert [drawn.page("a", make) for _ in range(3)] == ["page 1"] * 3
    assert [drawn.page("b", make) for _ in range(2)] == ["page 2"] * 2
    assert drawn.page("a", make) == "page 3"
