"""Settings of webhooks."""

from typing import Self

from pydantic import Field, model_validator

from shared.settings import CommaList
from shared.webhooks.settings import SigningSettings


class WebhooksSettings(SigningSettings):
    """The settings of webhooks."""

    webhook_private_hosts: CommaList = Field(
        default_factory=list,
        description="Hosts of `https` endpoints that may have private addresses. Endpoints that are an IP address or plain "
        "`http` are taken as they are.",
    )
    webhook_timeout_seconds: float = Field(5, gt=0, le=60, description="Limit for one post.")
    webhook_concurrency: int = Field(64, ge=1, le=1000, description="Posts under way to one endpoint.")
    webhook_retry_seconds: float = Field(
        86_400, gt=0, description="How long a refused event is posted again before it is a dead letter."
    )
    webhook_max_waiting: int = Field(
        1_000_000, ge=1000, description="Events that wait for one endpoint; beyond, the oldest are dropped and counted."
    )
    webhook_max_dead_letters: int = Field(
        100_000, ge=1, description="Dead letters of one endpoint; beyond, the oldest are dropped."
    )

    @model_validator(mode="after")
    def _needs_a_secret(self) -> Self:
        if self.webhook_urls and not self.webhook_secret:
            raise ValueError("CHAT_WEBHOOK_URLS needs CHAT_WEBHOOK_SECRET: receivers know our posts by the signature")
        return self
