"""Settings of messaging."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What messaging reads from the environment."""

    push_delay_seconds: float = Field(
        5, ge=0, description="How long a message may stay unseen by its receiver before a push notification is sent."
    )
    command_prefetch: int = Field(
        100, ge=1, le=10_000, description="AMQP messages that one replica holds unacknowledged."
    )
    max_cycle_commands: int = Field(512, ge=1, le=4096, description="Commands that one cycle handles, about.")
