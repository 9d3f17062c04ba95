"""Every metric of media."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)

RESERVED: Final = Counter("chat_media_reserved_total", "Uploads that were reserved.")
COMPLETED: Final = Counter("chat_media_completed_total", "Uploads that became ready, by kind.", ["kind"])
REFUSED: Final = Counter("chat_media_refused_total", "Uploads that were refused, by the step that did it.", ["step"])
RECEIVED_BYTES: Final = Counter("chat_media_received_bytes_total", "Bytes that clients sent through media.")
SERVED_BYTES: Final = Counter("chat_media_served_bytes_total", "Bytes that were served.")
TRANSFERS: Final = Gauge("chat_media_transfers", "Transfers under way, by direction.", ["direction"])
INSPECTION_SECONDS: Final = Histogram(
    "chat_media_inspection_seconds", "Looking into one file, waiting for a worker included.", buckets=_SECONDS
)
COMPLETION_SECONDS: Final = Histogram(
    "chat_media_completion_seconds", "From a client's `complete` to its answer.", buckets=_SECONDS
)
KILLED: Final = Counter(
    "chat_media_killed_total", "Files whose worker was ended, by the limit that they exceeded.", ["limit"]
)
SWEPT: Final = Counter("chat_media_swept_total", "Uploads whose objects were deleted.")
SWEEP_FAILURES: Final = Counter("chat_media_sweep_failures_total", "Sweeps that failed: nothing is deleted meanwhile.")
STORE_FAILURES: Final = Counter("chat_media_store_failures_total", "Requests that failed because of the store.")
