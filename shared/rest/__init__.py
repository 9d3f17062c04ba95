"""What the services' REST interfaces share: the app, errors, authentication, paging, health."""

from shared.rest.app import create_app
from shared.rest.authentication import Authenticator, CurrentUser
from shared.rest.health import HealthCheck
from shared.rest.paging import Page, PageQuery, decode_page, encode_page

__all__ = [
    "Authenticator",
    "CurrentUser",
    "HealthCheck",
    "Page",
    "PageQuery",
    "create_app",
    "decode_page",
    "encode_page",
]
