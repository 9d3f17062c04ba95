"""Settings of media."""

from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.media.inspection.sniffing import KNOWN_TYPES
from services.media.inspection.workers import WALL_SECONDS
from shared.settings import CommaList
from shared.uploads import UploadSettings

MIB: Final = 1024 * 1024


class MediaSettings(UploadSettings):
    """The settings of media."""

    upload_store: str = Field(
        "file:///var/lib/chat/uploads",
        pattern=r"^(file:///.+|s3://.+|gs://.+|az://.+)$",
        description="Where the bytes are: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or "
        "`az://account/container/prefix`. Credentials come from the cloud's own variables or from the pod's identity.",
    )
    upload_store_options: SecretStr | None = Field(
        None,
        description="Options of the store, named as in obstore, as `key=value` with commas: `endpoint=…`, `region=…`, "
        "`access_key_id=…`, `secret_access_key=…`.",
    )
    upload_direct: bool = Field(
        True, description="Clients send bytes to the bucket itself, by presigned URLs; false: through media."
    )
    upload_max_bytes: int = Field(25 * MIB, ge=1, le=5 * 1024 * MIB, description="Largest upload, in bytes.")
    upload_types: CommaList = Field(
        list(KNOWN_TYPES), min_length=1, description="MIME types that are accepted. The type is found from the bytes."
    )
    upload_orphan_seconds: float = Field(
        86_400, ge=1, description="An upload that no message uses is deleted after this time."
    )
    upload_reservation_seconds: float = Field(
        3600, ge=1, le=86_400, description="The bytes of a reserved upload must arrive within this time."
    )
    uploads_per_hour: int = Field(60, ge=0, description="Reservations of one user in an hour; 0: no limit.")
    upload_bytes_per_day: int = Field(
        500 * MIB, ge=0, description="Bytes that one user may reserve in a day; 0: no limit."
    )
    upload_transfers: int = Field(
        100, ge=1, le=10_000, description="Transfers of bytes through one replica at once, in either direction."
    )
    upload_bytes_per_second: int = Field(
        64 * MIB,
        ge=0,
        description="Bytes that pass through one replica in a second, in both directions together; 0: as fast as they can.",
    )
    upload_workers: int = Field(2, ge=1, le=64, description="Processes of one replica that check files.")
    upload_worker_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Address space of one such process (RLIMIT_AS)."
    )
    upload_worker_seconds: float = Field(
        20, gt=0, le=WALL_SECONDS, description="CPU time of such a process for one file, in seconds."
    )
    upload_max_pixels: int = Field(
        50_000_000, ge=1, le=200_000_000, description="Largest picture, in pixels: it is decoded as a whole."
    )
    upload_scanner_url: str | None = Field(
        None,
        pattern=r"^(tcp://[^\s/]+|https?://\S+)$",
        description="A virus scanner: `tcp://host:3310` (clamd), or a URL that gets each file by POST and answers 200 or 204 "
        "for a clean one, 406 or 422 for another. Until it answers, an upload is not ready.",
    )
    upload_scanner_seconds: float = Field(60, gt=0, le=100, description="Limit for one answer of the scanner.")
    upload_niceness: int = Field(
        10,
        ge=0,
        le=19,
        description="Niceness of media, so that the chat's processes on the same machine get the CPU first; its workers have a "
        "higher one. Between containers, `cpu_shares` or `requests.cpu` count instead.",
    )
    upload_sweep_seconds: float = Field(10, gt=0, description="How often media looks for uploads to delete.")

    @field_validator("upload_store_options", "upload_scanner_url", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("upload_types")
    @classmethod
    def _known(cls, types: list[str]) -> list[str]:
        unknown = set(types) - set(KNOWN_TYPES)
        if unknown:
            raise ValueError(f"can't tell {', '.join(sorted(unknown))} from its bytes; known: {', '.join(KNOWN_TYPES)}")
        return types

    @model_validator(mode="after")
    def _needs_keys(self) -> Self:
        if self.upload_signing_keys is None:
            raise ValueError("CHAT_UPLOAD_SIGNING_KEYS must be set: media signs URLs with it")
        return self
