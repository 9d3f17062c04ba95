"""Real servers for the tests, started when the first test asks for them and stopped with the session."""

import gc
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from structlog.dev import ConsoleRenderer, plain_traceback
from xdist import is_xdist_worker
from xdist.remote import Producer

from tests.support.backends import (
    SYSTEM_REDIS_DATABASE,
    Backends,
    cheapen_sign_in,
    make_template,
    make_virtual_host,
    with_path,
)
from tests.support.forks import FORKS, launch
from tests.support.fuzzing import FACTOR
from tests.support.people import People
from tests.support.stack import Stack
from tests.support.workers import BySystem, ports_of, rank_of
from tools.devtoken import mint
from tools.stack import ladder
from tools.stack.home import Home
from tools.stack.plan import PREFIX
from tools.stack.ports import RANGE, PortBook
from tools.stack.process import allow_many_files
from tools.stack.stack import Stack as LocalStack

FOLDER = Path("/var/tmp") / f"chat-tests-{os.getpid()}"
"""Servers that don't run as root must come to it, and its path must be short: not pytest's tmp_path."""
GIVEN = [kind.variable for kind in ladder.KINDS]
RERUN_LINES = 40
"""Last lines of a failure that are shown of a test that passed when it was run again."""

# Tracebacks in colours and boxes, as rich makes them, take 50 ms each.
structlog.configure([*structlog.get_config()["processors"][:-1], ConsoleRenderer(exception_formatter=plain_traceback)])
if FACTOR > 1:
    settings.load_profile("fuzz")


def pytest_report_header() -> str:
    """Where the logs are while the tests run, and afterwards if one fails."""
    return f"servers of this run, when there are some: {FOLDER}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySystem:
    """Who gets which tests in a parallel run."""
    return BySystem(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    """A process of a parallel run has ports of its own. What all processes of the tests have in their environment."""
    if is_xdist_worker(session):
        worker = session.config.workerinput  # type: ignore[attr-defined]
        os.environ[RANGE] = ports_of(int(worker["workerid"].removeprefix("gw")), worker["workercount"])
    if ladder.DATABASE.variable not in os.environ:
        # Our PostgreSQL has no TLS. Whoever asks for it makes a context for each connection, a third of what one costs.
        os.environ.setdefault("PGSSLMODE", "disable")


def pytest_collection() -> None:
    """Collect tests without a search for garbage among them: all of them stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Search from now on only among what the tests themselves make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a parallel run, what takes long begins early."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """After the fixtures have stopped what was started."""
    FORKS.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a test that passed at last had failed first: a test that depends on chance is a fault of its own."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"why {report.nodeid} was run again")
        terminalreporter.write_line("\n".join(report.longreprtext.splitlines()[-RERUN_LINES:]))


@pytest.fixture(scope="module", autouse=True)
def own_garbage() -> Iterator[None]:
    """Destroy what a module leaves before the next one begins: something left open then fails that module, and no other."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def server_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where the session's servers keep their data; of a failed session the logs stay."""
    shutil.rmtree(FOLDER, ignore_errors=True)  # of an earlier process that had our id
    FOLDER.mkdir(mode=0o755)
    yield FOLDER
    if request.session.testsfailed:
        for data in (entry for home in FOLDER.iterdir() for entry in home.iterdir() if entry.name != "log"):
            shutil.rmtree(data, ignore_errors=True)
    else:
        shutil.rmtree(FOLDER)


@pytest.fixture(scope="session")
async def local_stack(server_folder: Path) -> AsyncIterator[LocalStack]:
    """The session's stack, of which only the backends run. No setting of the developer's own reaches it."""
    allow_many_files()
    home = Home(server_folder / "system")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name in GIVEN}
    environment["CHAT_PORT"] = str(PortBook(home).port("haproxy"))
    if redis := environment.get(ladder.REDIS.variable):
        environment[ladder.REDIS.variable] = with_path(redis, SYSTEM_REDIS_DATABASE)
    local = LocalStack(home, environment, tied=True, launch=launch)
    try:
        await local.up_backends()
        if (database := local.layout.backend(ladder.DATABASE)).programs:
            await cheapen_sign_in(database.url)
        yield local
    finally:
        await local.down()


@pytest.fixture(scope="session")
async def backends(local_stack: LocalStack, server_folder: Path) -> AsyncIterator[Backends]:
    """PostgreSQL and RabbitMQ of the session's stack, and a Redis beside it."""
    database = local_stack.layout.backend(ladder.DATABASE).url
    await make_template(database, os.environ)
    amqp = await make_virtual_host(local_stack.home, local_stack.layout.backend(ladder.AMQP))
    ours = {ladder.DATABASE.variable: database, ladder.AMQP.variable: amqp}
    beside = LocalStack(Home(server_folder / "units"), {**os.environ, **ours}, tied=True)
    try:
        await beside.up_backends()
        redis = beside.layout.backend(ladder.REDIS).url
        # Some tests cut all connections of the server.
        async with Redis.from_url(redis, retry=Retry(NoBackoff(), 2)) as client:
            yield Backends(database, amqp, redis, client)
    finally:
        await beside.down()


@pytest.fixture(scope="session")
async def stack(local_stack: LocalStack) -> Stack:
    """The whole system: two gateways behind HAProxy. All tests share it, so their users and conversations are their own."""
    await local_stack.up()
    return Stack(local_stack)


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[People]:
    """Persons of this test; their sockets are closed when it ends."""
    async with AsyncExitStack() as exits:
        yield People(stack.url, exits)


@pytest.fixture(scope="module")
async def database_url(backends: Backends) -> AsyncIterator[str]:
    """A migrated database of this module's own."""
    async with backends.fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
async def amqp_url(backends: Backends) -> str:
    """A virtual host without queues."""
    await backends.delete_queues()
    return backends.amqp


@pytest.fixture
async def redis_url(backends: Backends) -> str:
    """An empty Redis, of which tests may use the databases 0 and 1."""
    await backends.flush_redis()
    return backends.redis


@pytest.fixture
def token() -> Callable[..., str]:
    """Makes tokens of development users: `token("alice")`."""
    return mint
