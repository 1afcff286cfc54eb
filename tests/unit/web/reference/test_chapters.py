"""From a document to chapters."""

from typing import Any

from gateline.web.reference.chapters import chapters, narrowed

ERROR = {"description": "Not yours.", "content": {"application/json": {"schema": {}}}}
DOCUMENT: dict[str, Any] = {
    "security": [{"bearer": []}],
    "tags": [{"name": "orders", "description": "What was ordered."}, {"name": "empty"}],
    "paths": {
        "/api/orders/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {
                "tags": ["orders"],
                "summary": "Show one order.",
                "security": [{"bearer": []}, {"cookie": []}],
                "responses": {
                    "404": {"$ref": "#/components/responses/Gone"},
                    "200": {
                        "description": "The order.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {"id": {"type": "string"}},
                                },
                                "examples": {"one": {"value": {"id": "order_1"}}},
                            }
                        },
                    },
                },
            },
            "delete": {"tags": ["orders"], "responses": {"204": {"description": ""}}},
        },
        "/health": {"get": {"security": [], "summary": "Tell.", "responses": {"200": {}}}},
        "/page": {"get": {"responses": {"200": {"content": {"text/html": {}}}, "404": ERROR}}},
    },
    "components": {"responses": {"Gone": ERROR}},
}


def test_chapters_follow_the_tags() -> None:
    """Chapters come as the document's tags do; what has none comes last, the empty not at all."""
    found = chapters(DOCUMENT)
    assert [chapter.title for chapter in found] == ["orders", "Other"]
    assert found[0].description == "What was ordered."
    assert [op.method for op in found[0].operations] == ["GET", "DELETE"]


def test_pages_are_no_part_of_an_api() -> None:
    """What answers with a page alone is left out."""
    assert all(op.path != "/page" for chapter in chapters(DOCUMENT) for op in chapter.operations)


def test_an_operation_has_everything() -> None:
    """Parameters of the path, who may, answers in order with their bodies."""
    show = chapters(DOCUMENT)[0].operations[0]
    assert show.anchor == "get-api-orders-id"
    assert [(line.name, line.place, line.required) for line in show.parameters] == [
        ("id", "path", True)
    ]
    assert show.access == ("bearer", "cookie")
    assert [(answer.status, answer.meaning, answer.worked) for answer in show.answers] == [
        ("200", "The order.", True),
        ("404", "Not yours.", False),
    ]
    payload = show.answers[0].payload
    assert payload is not None
    assert '"order_1"' in payload.example


def test_what_everybody_may_and_what_the_document_asks_for() -> None:
    """An empty security opens an operation; none at all leaves the document's own."""
    by_path = {op.path: op for chapter in chapters(DOCUMENT) for op in chapter.operations}
    assert by_path["/health"].access == ()
    delete = chapters(DOCUMENT)[0].operations[1]
    assert delete.access == ("bearer",)
    assert delete.answers[0].meaning == "No Content"


def test_filter() -> None:
    """Every word must stand in method, path or title."""
    assert [op.path for c in narrowed(chapters(DOCUMENT), "GET show") for op in c.operations] == [
        "/api/orders/{id}"
    ]
    assert narrowed(chapters(DOCUMENT), "nothing") == []


def test_an_empty_document_has_no_chapters() -> None:
    """Before anybody has told anything there is nothing to show."""
    assert chapters({}) == []
