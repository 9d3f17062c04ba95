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
        None, description="Hook that is asked about messages and edits before they are stored. Unset: no moderation."
    )
    moderation_failure: Literal["allow", "reject"] = Field(
        "allow", description="The verdict when the hook doesn't answer within 300 ms."
    )
    push_delay_seconds: float = Field(
        5, ge=0, description="How long a message may stay unseen by its receiver before a push notification is sent."
    )
    command_prefetch: int = Field(
        100,
        ge=1,
        le=HELD_BYTES // MESSAGING_COMMANDS.body_bytes,
        description="AMQP messages, of at most 256 KiB each, that one replica holds unacknowledged of each kind of queue of "
        "commands.",
    )
    max_cycle_commands: int = Field(512, ge=1, le=1000, description="About how many commands one cycle handles.")
    max_deferral_seconds: float = Field(
        0.2, ge=0, description="Longest wait of a delivery for an earlier message that another replica is delivering."
    )
    edit_window_seconds: float = Field(
        86_400, ge=0, description="How long after sending a message can be edited; 0: always."
    )
    retention_days: float = Field(
        0, ge=0, le=36_500, description="Messages that are older are deleted, with all that belongs to them; 0: never."
    )
    retention_round_seconds: float = Field(
        60, gt=0, description="Pause between two rounds that look for expired messages."
    )
    unread_sample_seconds: float = Field(
        10, gt=0, description="How often unread counts in Redis are compared with PostgreSQL's, for some active users."
    )
    inbox_events: Limit = Field(
        limits.INBOX_EVENTS,
        description="Events that a user's inbox keeps for recovery; 0 = only the limit of bytes.",
    )
    inbox_bytes: Limit = Field(
        limits.INBOX_BYTES, description="Bytes that a user's inbox keeps; 0 = only the limit of events."
    )
    rest_database_pool_size: int = Field(
        4, ge=1, le=100, description="PostgreSQL connections of one replica for REST, beside those for commands."
    )
    rest_concurrency: int = Field(
        4, ge=1, le=1000, description="REST requests that one replica works on at once; the others wait."
    )
    rest_wait_seconds: float = Field(
        2, gt=0, le=60, description="How long a REST request waits for its turn, before it is answered with 503."
    )
    new_conversations_per_hour: int = Field(
        60, ge=0, le=100_000, description="Conversations that one user may open in an hour; 0: any number."
    )
    user_searches_per_minute: int = Field(
        60, ge=0, le=100_000, description="Searches for users that one user may make in a minute; 0: any number."
    )
    user_search_by_prefix: bool = Field(
        True, description="Whether users are found by the beginning of a username, or by whole names only."
    )
    failpoints: bool = Field(False, description="Tests only: obey `CHAT_FAILPOINT`.")
    failpoint: Failpoint | None = Field(None, description="Tests only: where the process kills itself.")

    @model_validator(mode="after")
    def _hook_needs_a_secret(self) -> Self:
        if self.moderation_url is not None and not self.webhook_secret:
            raise ValueError(
                "CHAT_MODERATION_URL needs CHAT_WEBHOOK_SECRET: the hook knows our requests by the signature"
            )
        return self
