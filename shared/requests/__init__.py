"""Requests among services: `requester` asks, `responder` answers (`shared.protocol.requests` has the shapes)."""

from shared.requests.requester import Requester
from shared.requests.responder import Responder

__all__ = ["Requester", "Responder"]
