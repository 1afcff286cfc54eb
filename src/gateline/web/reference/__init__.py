"""The reference of the API: the services' OpenAPI documents as one that people can read."""

from gateline.web.reference.chapters import Answer, Chapter, Operation, Payload, chapters
from gateline.web.reference.document import Documents

__all__ = ["Answer", "Chapter", "Documents", "Operation", "Payload", "chapters"]
