"""The reference of the API: the services' OpenAPI documents as one that people can read."""

from gateline.web.reference.chapters import Answer, Chapter, Operation, Payload
from gateline.web.reference.document import Documents
from gateline.web.reference.drawing import Drawn

__all__ = ["Answer", "Chapter", "Documents", "Drawn", "Operation", "Payload"]
