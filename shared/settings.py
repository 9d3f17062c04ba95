"""Settings that every service reads: environment variables `CHAT_*`, checked at start.

A service's own settings subclass `ServiceSettings`. `docs/configuration.md` is generated from these declarations.
"""

import os
import socket
import sys
from difflib import get_close_matches
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AnyUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.origins import origin_fault
from shared.postgres.address import parse as parse_database_url
from shared.protocol import limits
from shared.protocol.limits import MAX_URL_CHARACTERS
from shared.protocol.topology import MOST_COMMAND_QUEUES
from shared.public_secret import PUBLIC_SECRET
from shared.rabbitmq.hosts import split_hosts
from shared.redis import DEFAULT_PARTITIONS, topology_of

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: an HS256 key has at least the size of the hash."""

S = TypeVar("S", bound="ServiceSettings")

UNLIMITED: Final = 2**31 - 1
"""The value that replaces 0 («no limit») where a limit is counted."""
Limit = Annotated[int, Field(ge=0, le=UNLIMITED), AfterValidator(lambda value: value or UNLIMITED)]
"""A limit that 0 turns off."""


def split_commas(value: Any) -> Any:
    """Split a text at commas to a list without empty items; return anything else unchanged."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


# The type itself splits, because validators with the same name in a class and its subclass replace each other.
CommaList = Annotated[list[str], NoDecode, BeforeValidator(split_commas)]
"""A list written with commas: `https://a.example,https://b.example`."""


class ServiceSettings(BaseSettings):
    """What all services share."""

    # An empty variable counts as unset, so a later settings file can undo an earlier one.
    model_config = SettingsConfigDict(env_prefix="CHAT_", extra="ignore", frozen=True, env_ignore_empty=True)

    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        description="Names this replica in logs and metrics. It must be unique. The default consists of the host's name "
        "and the process id.",
    )
    http_host: str = Field(
        "127.0.0.1",
        description="HTTP and WebSocket are served on this address. By default only this machine can connect.",
    )
    http_port: int = Field(
        8000, ge=0, le=65535, description="HTTP and WebSocket are served on this port; 0 takes a free one."
    )
    database_url: SecretStr = Field(
        description="Connects to PostgreSQL. Any URL that libpq accepts: "
        "`postgresql://user:password@host1,host2/name?sslmode=verify-full`."
    )
    amqp_url: SecretStr = Field(
        description="Connects to RabbitMQ: `amqp://user:password@host:5672/vhost`. Write several nodes as "
        "`host1:5672,host2:5672`."
    )
    command_queues: int = Field(
        1,
        ge=1,
        le=MOST_COMMAND_QUEUES,
        description="Gateways spread their commands over this number of queues, so that the queues' leaders spread over "
        "RabbitMQ's nodes. Set the same value for gateway and messaging. Raise it at messaging first; lower "
        "it at the gateways first.",
    )
    redis_urls: str = Field(
        description="Connects to Redis: one server `redis://host:6379/0`; a master that Sentinels know "
        "`redis+sentinel://host1:26379,host2:26379,host3:26379/mymaster?db=0`; or a Redis Cluster (7.0 or "
        "newer) `redis+cluster://host1,host2,host3`. `rediss` uses TLS.",
    )
    redis_partitions: int = Field(
        DEFAULT_PARTITIONS,
        ge=1,
        le=1024,
        description="In a Redis Cluster, users and conversations are divided into this number of partitions. Set the same "
        "value for every service. A change loses all data in Redis, as FLUSHALL does. Without a cluster there "
        "is one partition.",
    )
    inbox_seconds: int = Field(
        limits.INBOX_SECONDS,
        ge=3600,
        le=limits.INBOX_SECONDS,
        description="An inbox expires this many seconds after the user's last connection, or after its first event when there "
        "was none; until then a client can recover its events. Set the same value for gateway and messaging.",
    )
    allowed_origins: CommaList = Field(
        default_factory=list,
        description="Pages of these `Origin`s may connect and make requests. An entry is exact, or `http://localhost:*` "
        "for any port of a host. Empty or `*` allows all origins. That is safe because there are no cookies: "
        "a page of another origin doesn't have the user's token.",
    )
    jwt_secret: SecretStr | None = Field(
        None,
        description="Verifies tokens with this HS256 key, of at least 32 bytes. This or `CHAT_JWKS_URL` is required.",
    )
    public_secrets: bool = Field(
        False,
        description="Accepts the local stack's JWT secret, which is public, even where other machines can connect. Use it "
        "only to try the system out.",
    )
    jwks_url: AnyUrl | None = Field(
        None,
        description="Verifies tokens with the keys of this URL (RS256, ES256 and EdDSA), which are refreshed in the "
        "background. This or `CHAT_JWT_SECRET` is required.",
    )
    jwks_refresh_seconds: float = Field(300, gt=0, description="The key set is fetched again after this many seconds.")
    jwt_issuer: str | None = Field(None, description="If set, a token must have this `iss`.")
    jwt_audience: str | None = Field(None, description="If set, a token must have this `aud`.")
    jwt_max_lifetime_seconds: int | None = Field(
        None, gt=0, description="If set, a token that expires more than this many seconds from now is refused."
    )
    webhook_urls: CommaList = Field(
        default_factory=list,
        description="Events are posted to these endpoints of the platform's own back end. Empty: no events are stored or "
        "posted.",
    )
    database_pool_size: int = Field(
        4,
        ge=1,
        le=100,
        description="Each replica opens at most this many connections to PostgreSQL. Few are enough, because messages are "
        "stored in batches.",
    )
    rest_requests_per_second: float = Field(
        20,
        ge=0,
        le=10_000,
        description="Each user may make this many REST requests per second to one service, over all its replicas; 0 means "
        "no limit.",
    )
    rest_burst: int = Field(100, ge=1, le=100_000, description="Each user may make this many such requests at once.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lines below this level are not logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` logs one JSON object per line; `console` logs coloured text for people."
    )
    traces_url: AnyUrl | None = Field(
        None, description="Traces are sent to this OTLP/HTTP endpoint. Unset: there are no traces."
    )
    traces_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="This share of the batches is traced, from 0 to 1. It is small by default, because tracing "
        "costs CPU.",
    )
    shutdown_seconds: float = Field(
        10,
        gt=0,
        description="After SIGTERM, a service has half of this time to finish the work that it has taken from its queues, and "
        "half to answer requests. Gateways use `CHAT_DRAIN_SECONDS`.",
    )

    @field_validator("webhook_urls")
    @classmethod
    def _postable(cls, urls: list[str]) -> list[str]:
        for url in urls:
            AnyHttpUrl(url)
            if len(url) > MAX_URL_CHARACTERS:
                raise ValueError(f"a URL is longer than {MAX_URL_CHARACTERS} characters")
        return list(dict.fromkeys(urls))

    @field_validator("database_url")
    @classmethod
    def _names_database(cls, url: SecretStr) -> SecretStr:
        parse_database_url(url.get_secret_value())
        return url

    @field_validator("redis_urls")
    @classmethod
    def _names_one_redis(cls, url: str) -> str:
        topology_of(url, 1)
        return url

    @field_validator("amqp_url")
    @classmethod
    def _names_brokers(cls, url: SecretStr) -> SecretStr:
        split_hosts(url.get_secret_value())
        return url

    @field_validator("allowed_origins")
    @classmethod
    def _as_browsers_send_them(cls, origins: list[str]) -> list[str]:
        """Remove paths and convert to lower case (RFC 6454, section 6.2), for WebSocket and REST."""
        if "*" in origins:
            return []
        origins = [origin.rstrip("/").lower() for origin in origins]
        for fault in filter(None, map(origin_fault, origins)):
            raise ValueError(fault)
        return origins

    @model_validator(mode="after")
    def _needs_one_key_source(self) -> Self:
        if (self.jwt_secret is None) == (self.jwks_url is None):
            raise ValueError("set exactly one of CHAT_JWT_SECRET and CHAT_JWKS_URL")
        secret = self.jwt_secret
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"CHAT_JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes")
        reachable = self.http_host not in LOOPBACK and not self.public_secrets
        if secret is not None and secret.get_secret_value() == PUBLIC_SECRET and reachable:
            raise ValueError("CHAT_JWT_SECRET is the local stack's, which everybody knows: make one of your own")
        return self


def known_names() -> list[str]:
    """Return every `CHAT_*` variable that any part of this project reads, sorted."""
    return files("shared").joinpath("setting_names.txt").read_text(encoding="utf-8").split()


def _warn_of_unknown_names() -> None:
    """Warn of variables that nothing reads, because a misspelt one would otherwise have no effect silently."""
    known = known_names()
    for name in sorted(os.environ.keys() - set(known)):
        if name.startswith("CHAT_"):
            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            print(f"{name}: nothing reads this variable{hint}", file=sys.stderr)  # noqa: T201 - logging isn't set up yet


def load(settings: type[S]) -> S:
    """Read `settings` from the environment, or exit with status 2, naming each variable that is missing or wrong."""
    _warn_of_unknown_names()
    try:
        return settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = "CHAT_" + "_".join(str(part) for part in fault["loc"]).upper() if fault["loc"] else "settings"
            print(f"{name}: {fault['msg']}", file=sys.stderr)  # noqa: T201 - logging isn't set up yet
        raise SystemExit(2) from None
