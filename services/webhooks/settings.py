"""Settings of webhooks."""

from typing import Self

from pydantic import Field, model_validator

from shared.settings import CommaList
from shared.webhooks.settings import SigningSettings


class WebhooksSettings(SigningSettings):
    """The settings of webhooks."""

    webhook_private_hosts: CommaList = Field(
        default_factory=list,
        description="`https` endpoints with these hosts may have private addresses. Endpoints that are an IP address, or "
        "plain `http`, need no entry.",
    )
    webhook_timeout_seconds: float = Field(
        5, gt=0, le=60, description="A post is given up after this many seconds, and retried."
    )
    webhook_concurrency: int = Field(
        64, ge=1, le=1000, description="At most this many posts to one endpoint are under way at once."
    )
    webhook_retry_seconds: float = Field(
        86_400,
        gt=0,
        description="A refused event is posted again for this many seconds; then it becomes a dead letter.",
    )
    webhook_max_waiting: int = Field(
        1_000_000,
        ge=1000,
        description="At most this many events wait for one endpoint. If there are more, the oldest are dropped and "
        "counted.",
    )
    webhook_max_dead_letters: int = Field(
        100_000,
        ge=1,
        description="At most this many dead letters of one endpoint are kept. If there are more, the oldest are dropped.",
    )

    @model_validator(mode="after")
    def _needs_a_secret(self) -> Self:
        if self.webhook_urls and not self.webhook_secret:
            raise ValueError("CHAT_WEBHOOK_URLS needs CHAT_WEBHOOK_SECRET: receivers know our posts by the signature")
        return self
