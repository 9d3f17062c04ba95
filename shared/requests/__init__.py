"""Requests between services: `requester` asks, `responder` answers (`shared.protocol.requests` declares the messages)."""

from shared.requests.requester import Requester
from shared.requests.responder import Responder

__all__ = ["Requester", "Responder"]
