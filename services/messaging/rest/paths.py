"""Builds the REST paths of messaging.

They have their own stores and PostgreSQL connections, so that requests and commands never wait for each other's connections.
"""

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
from services.messaging.rest.users import UserEndpoints
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
from shared.rest.direct import add_direct
from shared.rest.documents import document_routes
from shared.rest.rate_limit import RateLimit
from shared.webhooks import Outbox

HOUR_SECONDS: Final = 3600
MINUTE_SECONDS: Final = 60


def add_paths(
    app: FastAPI, settings: Settings, pool: Pool, partitions: Partitions, fanout: Fanout, outgoing: OutgoingEvents
) -> UserEndpoints:
    """Add all paths to `app`. `fanout` tells the user's devices of changes, `outgoing` the notifier.

    Returns the paths of users.
    """
    counts = UnreadCounts(pool, partitions)
    views = ConversationViews(pool, settings.signer())
    reads = Reads(ConversationList(pool), views, History(pool, settings.signer()))
    conversations = ConversationEndpoints(
        Conversations(pool, Outbox(settings.webhook_urls)),
        reads,
        Directory(pool),
        ConversationAnnouncer(views, fanout, counts, partitions),
        outgoing,
    )
    if settings.new_conversations_per_hour:
        hourly = settings.new_conversations_per_hour
        conversations.creations = RateLimit(partitions, "conversations", HOUR_SECONDS / hourly, hourly)
    users = _users(settings, pool, partitions)
    endpoints = Endpoints(conversations, reads, users, counts)
    add_direct(app, *endpoints.direct())
    app.include_router(endpoints.router())
    app.include_router(_reports(settings, pool).router())
    app.router.routes.extend(document_routes())
    return users


def _users(settings: Settings, pool: Pool, partitions: Partitions) -> UserEndpoints:
    directory = Directory(pool)
    users = UserEndpoints(directory, People(pool, directory), Blocks(pool, partitions))
    users.by_prefix = settings.user_search_by_prefix
    if settings.user_searches_per_minute:
        each_minute = settings.user_searches_per_minute
        users.searches = RateLimit(partitions, "users", MINUTE_SECONDS / each_minute, each_minute)
    return users


def _reports(settings: Settings, pool: Pool) -> ReportEndpoints:
    reports = Reports(pool, Outbox(settings.webhook_urls))
    return ReportEndpoints(Conversations(pool), Messages(pool, settings.signer()), reports)
