"""What the services' REST interfaces share: the app, errors, authentication, paging, health."""

from shared.rest.app import KEEP_ALIVE_SECONDS, Bounds, add_router, create_app
from shared.rest.authentication import Authenticator, CurrentUser
from shared.rest.health import Health, HealthCheck, demand
from shared.rest.http_protocol import HttpProtocol, StreamHttpProtocol
from shared.rest.paging import Page, PageQuery, decode_page, encode_page

__all__ = [
    "KEEP_ALIVE_SECONDS",
    "Authenticator",
    "Bounds",
    "CurrentUser",
    "Health",
    "HealthCheck",
    "HttpProtocol",
    "Page",
    "PageQuery",
    "StreamHttpProtocol",
    "add_router",
    "create_app",
    "decode_page",
    "demand",
    "encode_page",
]
