"""Readiness probes, in each server's own protocol, because a line in a log or an open port proves less."""

import asyncio
import http.client

from tools.stack.errors import NotReady

ANSWER_SECONDS = 3


async def listening(port: int, host: str = "127.0.0.1") -> None:
    """Return when something accepts connections on `port`. Raises NotReady."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise NotReady(f"nothing listens on port {port}") from error
    writer.close()


async def postgres(url: str) -> None:
    """Return when PostgreSQL answers a query. Raises NotReady."""
    import asyncpg

    from shared.postgres import connect, parse

    address = parse(url)
    address.keywords["target_session_attrs"] = "any"  # A standby is ready, too.
    if all(host == "127.0.0.1" for host, _ in address.hosts):
        # A server that is starting may close the connection during the request for TLS, which asyncpg reports outside of this
        # call.
        address.query.setdefault("sslmode", "disable")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await connect(address, application_name="probe")
        try:
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        finally:
            await connection.close(timeout=ANSWER_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise NotReady(f"PostgreSQL doesn't answer: {error or type(error).__name__}") from error


async def redis(url: str) -> None:
    """Return when Redis answers, which means that it has loaded its data: the master, or every partition. Raises NotReady."""
    from shared.redis import TRANSIENT_ERRORS, RedisError, open_partitions

    partitions = open_partitions(url)
    try:
        await partitions.ping()
    except (*TRANSIENT_ERRORS, RedisError) as error:
        raise NotReady(f"Redis doesn't answer: {error}") from error
    finally:
        await partitions.aclose()


async def amqp(url: str) -> None:
    """Return when RabbitMQ, or a node of it, accepts a connection. Raises NotReady."""
    from shared.rabbitmq import split_hosts

    faults = []
    for node in split_hosts(url):
        try:
            return await _amqp_node(node)
        except NotReady as error:
            faults.append(str(error))
    raise NotReady("; ".join(faults))


async def _amqp_node(url: str) -> None:
    import aiormq
    from yarl import URL

    target = URL(url)
    await listening(target.port or 5672, target.host or "127.0.0.1")
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await aiormq.connect(url)
            await connection.close()
    except (OSError, aiormq.exceptions.AMQPError) as error:
        raise NotReady(f"RabbitMQ refuses the connection: {error or type(error).__name__}") from error


async def http_ready(port: int, path: str = "/readyz") -> str:
    """Return the body when `GET path` answers 200. Raises NotReady with what was answered instead."""
    status, body = await asyncio.to_thread(_get, port, path)
    if status != http.client.OK:
        raise NotReady(f"{path} answers {status} {body}" if status else f"{path} doesn't answer: {body}")
    return body


def _get(port: int, path: str) -> tuple[int, str]:
    """Return the status and the start of the body; 0 and the fault when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
