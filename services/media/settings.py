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
        description="Uploads are stored here: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or "
        "`az://account/container/prefix`. Credentials come from the cloud's own variables or from the pod's "
        "identity.",
    )
    upload_store_options: SecretStr | None = Field(
        None,
        description="Sets options of the store, with obstore's names, as `key=value` separated by commas: `endpoint=…`, "
        "`region=…`, `access_key_id=…`, `secret_access_key=…`.",
    )
    upload_direct: bool = Field(
        True,
        description="Whether clients send bytes directly to the bucket, by presigned URLs. If false, all bytes pass "
        "through media.",
    )
    upload_max_bytes: int = Field(25 * MIB, ge=1, le=5 * 1024 * MIB, description="An upload of more bytes is refused.")
    upload_types: CommaList = Field(
        list(KNOWN_TYPES),
        min_length=1,
        description="Only these MIME types are accepted. Media finds the type from the bytes.",
    )
    upload_orphan_seconds: float = Field(
        86_400, ge=1, description="An upload that no message uses is deleted after this many seconds."
    )
    upload_reservation_seconds: float = Field(
        3600, ge=1, le=86_400, description="The bytes of a reserved upload must arrive within this many seconds."
    )
    uploads_per_hour: int = Field(
        60, ge=0, description="Each user may reserve this many uploads per hour; 0 means no limit."
    )
    upload_bytes_per_day: int = Field(
        500 * MIB, ge=0, description="Each user may reserve this many bytes per day; 0 means no limit."
    )
    upload_transfers: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Each replica transfers at most this many files at once, both directions together.",
    )
    upload_bytes_per_second: int = Field(
        64 * MIB,
        ge=0,
        description="Each replica transfers at most this many bytes per second, both directions together; 0 means no "
        "limit.",
    )
    upload_workers: int = Field(2, ge=1, le=64, description="Each replica checks files in this many processes.")
    upload_worker_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Such a process has at most this many bytes of address space (RLIMIT_AS)."
    )
    upload_worker_seconds: float = Field(
        20,
        gt=0,
        le=WALL_SECONDS,
        description="Such a process may use this many seconds of CPU for one file; then it is stopped.",
    )
    upload_max_pixels: int = Field(
        50_000_000,
        ge=1,
        le=200_000_000,
        description="A picture with more pixels is refused, because all of it must fit in memory.",
    )
    upload_scanner_url: str | None = Field(
        None,
        pattern=r"^(tcp://[^\s/]+|https?://\S+)$",
        description="Each file is sent to this virus scanner: `tcp://host:3310` (clamd), or a URL that gets the file by "
        "POST, and answers 200 or 204 for a clean one, 406 or 422 for another. Until it answers, the upload "
        "isn't ready. Unset: files aren't scanned.",
    )
    upload_scanner_seconds: float = Field(
        60, gt=0, le=100, description="Media waits at most this many seconds for the scanner's answer."
    )
    upload_niceness: int = Field(
        10,
        ge=0,
        le=19,
        description="Sets the niceness of media, so that the chat's processes on the same machine get the CPU first; its "
        "workers have a higher one. Between containers, set `cpu_shares` or `requests.cpu` instead.",
    )
    upload_sweep_seconds: float = Field(10, gt=0, description="Media looks for uploads to delete at this interval.")

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
