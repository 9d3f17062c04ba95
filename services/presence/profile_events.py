"""`user.updated`: publishes a changed profile to gateways."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.protocol import keys, relay
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.conversations import UserUpdatedPayload
from shared.protocol.server import UserUpdated
from shared.redis import Partition

_FOR_EVERYBODY: Final = ""
"""For `about`: the event concerns no user's status, so it needn't be dropped before `status.bulk`."""


async def publish_profile(
    partition: Partition, change: relay.ProfileChanged, gateways: Mapping[str, Sequence[str]]
) -> None:
    """Publish a profile to gateway id → receivers with connections there. Raises RedisError."""
    payload = UserUpdatedPayload(change.user_id, change.username, change.display_name, change.avatar)
    text = json_encoder.encode(UserUpdated(payload)).decode()
    for gateway_id, receivers in gateways.items():
        downlink = relay.Downlink(transient_events=[relay.TransientEvent(list(receivers), text, _FOR_EVERYBODY)])
        await partition.publish(partition.key(keys.GATEWAY, gateway_id), msgpack_encoder.encode(downlink))
