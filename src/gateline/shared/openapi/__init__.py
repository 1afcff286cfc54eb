"""OpenAPI 3.1 of a service, read off its routes, decorators, schemas and docstrings.

`init_openapi` serves it at `/openapi.json`; nobody writes the document by hand. What decorators
cannot know is said on the view with those of `gateline.shared.declarations`.
"""

from gateline.shared.openapi.document import PATH, document, errors_as_pages, init_openapi

__all__ = ["PATH", "document", "errors_as_pages", "init_openapi"]
