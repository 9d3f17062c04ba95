"""Builds the REST paths of messaging.

They have their own stores and PostgreSQL connections, so that requests and commands never wait for each other's connections.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI

from services.messaging.conversation_views import ConversationViews
from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.rest.conversations import ConversationEndpoints
from services.messaging.rest.endpoints import Endpoints
from services.messaging.rest.reads import Reads
from services.messaging.rest.reports import ReportEndpoints
from services.messaging.rest.users import SearchRules, UserEndpoints
from services.messaging.settings import Settings
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.conversation_list import ConversationList
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.history import History
from services.messaging.stores.messages import Messages
from services.messaging.stores.people import People
from services.messaging.stores.reports import Reports
from services.messaging.stores.unread import UnreadCounts
from shared.directory import Directory
from shared.postgres import Pool
from shared.redis import Partitions
from shared.rest import add_router
from shared.rest.direct import add_direct
from shared.rest.documents import document_routes
from shared.rest.rate_limit import RateLimit
from shared.webhooks import Outbox

HOUR_SECONDS: Final = 3600
MINUTE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of changes that were made by REST.

    `fanout`: the user's devices. `outgoing`: the notifier. `on_profile_change` is called after a user has changed their
    profile.
    """

    fanout: Fanout
    outgoing: OutgoingEvents
    on_profile_change: Callable[[], None]


def add_paths(app: FastAPI, settings: Settings, pool: Pool, partitions: Partitions, listeners: Listeners) -> None:
    """Add all paths to `app`."""
    counts = UnreadCounts(pool, partitions)
    views = ConversationViews(pool, settings.signer())
    reads = Reads(ConversationList(pool), views, History(pool, settings.signer()))
    conversations = ConversationEndpoints(
        Conversations(pool, Outbox(settings.webhook_urls)),
        reads,
        Directory(pool),
        ConversationAnnouncer(views, listeners.fanout, counts, partitions),
        listeners.outgoing,
        _rate(partitions, "conversations", HOUR_SECONDS, settings.new_conversations_per_hour),
    )
    users = _users(settings, pool, partitions, listeners.on_profile_change)
    endpoints = Endpoints(conversations, reads, users, counts)
    add_direct(app, *endpoints.direct())
    add_router(app, endpoints.router())
    add_router(app, _reports(settings, pool, partitions).router())
    app.router.routes.extend(document_routes())


def _users(settings: Settings, pool: Pool, partitions: Partitions, on_change: Callable[[], None]) -> UserEndpoints:
    directory = Directory(pool)
    search = SearchRules(
        _rate(partitions, "users", MINUTE_SECONDS, settings.user_searches_per_minute), settings.user_search_by_prefix
    )
    return UserEndpoints(directory, People(pool, directory), Blocks(pool, partitions), search, on_change)


def _rate(partitions: Partitions, name: str, seconds: int, most: int) -> RateLimit | None:
    """Return the limit of `most` requests in so many seconds; None when `most` is 0."""
    return RateLimit(partitions, name, seconds / most, most) if most else None


def _reports(settings: Settings, pool: Pool, partitions: Partitions) -> ReportEndpoints:
    reports = Reports(pool, Outbox(settings.webhook_urls))
    rate = _rate(partitions, "reports", HOUR_SECONDS, settings.reports_per_hour)
    return ReportEndpoints(Conversations(pool), Messages(pool, settings.signer()), reports, rate)
