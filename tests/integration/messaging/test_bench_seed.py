"""What the benchmark puts into the tables is what messaging finds there."""

from shared.postgres import Pool, load_sql
from shared.redis import Partitions
from tests.support.messaging import Gateway, Replica, Talk

ROWS = 400


async def test_the_past_that_the_benchmark_makes_goes_on(
    pool: Pool, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    # The seed tells nobody of its messages: what comes next waits for them as long as it may.
    replica = Replica(pool, partitions, max_deferral_seconds=0.5)
    await pool.execute(load_sql("tools.bench", "seed"), ROWS, [talk.id])
    (first,) = await replica.messages.at([(talk.one.id, talk.id, 1)])
    assert first.content is not None
    batch = gateway.batch(talk.send(talk.one, "now"))
    await replica.cycle.run([batch])
    await gateway.completed(batch)
    assert gateway.messages(talk.other) == [(ROWS // 2 + 1, "now")]
