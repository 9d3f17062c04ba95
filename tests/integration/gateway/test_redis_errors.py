"""A Redis that can't serve for a while: connections stay, what needs it is refused with an answer, and all works afterwards."""

import uuid

from tests.support.gateway import Backend, StartGateway, eventually, identity
from tests.support.people import text_message
from tests.support.refusing_redis import PASSING_ERRORS, refusing_redis
from tests.support.sockets import refused
from tools.devtoken import mint


async def test_connections_stay_and_sends_are_answered(
    start_gateway: StartGateway, behind: Backend, redis_url: str, alice: str, bob: str
) -> None:
    async with refusing_redis(redis_url) as redis:
        gateway = await start_gateway(redis=redis.url, messages_per_minute=6_000)
        socket, conversation = await gateway.connect(alice), str(uuid.uuid4())
        for number, error in enumerate(PASSING_ERRORS):
            redis.error = error
            await socket.send("message.send", **text_message(conversation, error, f"t{number}"))
            failed = await socket.expect_error("send_failed", tempId=f"t{number}")
            assert failed["error"]["retryable"] is True
            assert (await refused(gateway.url, mint(bob))).status == 503
            redis.error = None

            async def recovered() -> bool:
                return gateway.process.downlinks[0].up

            await eventually(recovered, 30)
            newcomer = await gateway.connect(bob)
            await newcomer.close()
        live = await behind.deliver([gateway], identity(alice))
        await socket.expect("message.new")
        assert socket.received[-1].text == live.json
