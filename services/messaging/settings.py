"""Settings of messaging."""

from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, model_validator

from services.messaging.failpoints import Failpoint
from shared.protocol import limits
from shared.protocol.topology import HELD_BYTES, MESSAGING_COMMANDS
from shared.settings import Limit
from shared.uploads import UploadSettings
from shared.webhooks.settings import SigningSettings


class Settings(UploadSettings, SigningSettings):
    """The settings of messaging."""

    moderation_url: AnyHttpUrl | None = Field(
        None,
        description="This hook is asked about messages and edits before they are stored. Unset: there is no moderation.",
    )
    moderation_failure: Literal["allow", "reject"] = Field(
        "allow", description="Whether a message is allowed or rejected when the hook doesn't answer within 300 ms."
    )
    push_delay_seconds: float = Field(
        5,
        ge=0,
        description="A push notification is sent when the receiver hasn't seen the message after this many seconds.",
    )
    command_prefetch: int = Field(
        100,
        ge=1,
        le=HELD_BYTES // MESSAGING_COMMANDS.body_bytes,
        description="Each replica holds at most this many unacknowledged AMQP messages, of at most 256 KiB each, of each "
        "kind of command queue.",
    )
    max_cycle_commands: int = Field(
        512,
        ge=1,
        le=1000,
        description="One cycle handles about this many commands; the others wait for the next one.",
    )
    max_deferral_seconds: float = Field(
        0.2,
        ge=0,
        description="A delivery waits at most this many seconds for an earlier message that another replica is "
        "delivering.",
    )
    edit_window_seconds: float = Field(
        86_400, ge=0, description="A message can be edited for this many seconds after it was sent; 0 means for ever."
    )
    retention_days: float = Field(
        0,
        ge=0,
        le=36_500,
        description="Messages are deleted after this many days, with all that belongs to them; 0 keeps them for ever.",
    )
    retention_round_seconds: float = Field(
        60, gt=0, description="Messaging looks for expired messages again after this many seconds."
    )
    unread_sample_seconds: float = Field(
        10,
        gt=0,
        description="At this interval, the unread counts of some active users in Redis are compared with PostgreSQL's, "
        "and corrected.",
    )
    inbox_events: Limit = Field(
        limits.INBOX_EVENTS,
        description="A user's inbox keeps this many events for recovery; 0 means that only `CHAT_INBOX_BYTES` limits it.",
    )
    inbox_bytes: Limit = Field(
        limits.INBOX_BYTES,
        description="A user's inbox keeps this many bytes of events; 0 means that only `CHAT_INBOX_EVENTS` limits it.",
    )
    rest_database_pool_size: int = Field(
        4,
        ge=1,
        le=100,
        description="Each replica opens this many connections to PostgreSQL for REST, besides those for commands.",
    )
    rest_concurrency: int = Field(
        4, ge=1, le=1000, description="Each replica works on this many REST requests at once; the others wait."
    )
    rest_wait_seconds: float = Field(
        2,
        gt=0,
        le=60,
        description="A REST request that has waited this many seconds for its turn is answered with 503.",
    )
    new_conversations_per_hour: int = Field(
        60, ge=0, le=100_000, description="Each user may open this many new conversations per hour; 0 means no limit."
    )
    user_searches_per_minute: int = Field(
        60, ge=0, le=100_000, description="Each user may search for users this many times per minute; 0 means no limit."
    )
    reports_per_hour: int = Field(
        30, ge=0, le=100_000, description="Each user may report messages this many times per hour; 0 means no limit."
    )
    user_search_by_prefix: bool = Field(
        True, description="Whether the beginning of a username finds the user. If false, only the whole name does."
    )
    failpoints: bool = Field(False, description="For tests only: obeys `CHAT_FAILPOINT`.")
    failpoint: Failpoint | None = Field(None, description="For tests only: the process kills itself at this place.")

    @model_validator(mode="after")
    def _hook_needs_a_secret(self) -> Self:
        if self.moderation_url is not None and not self.webhook_secret:
            raise ValueError(
                "CHAT_MODERATION_URL needs CHAT_WEBHOOK_SECRET: the hook knows our requests by the signature"
            )
        return self
