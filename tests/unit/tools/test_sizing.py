"""`chatctl size`: more load never needs less, what was measured is met, and the documentation shows what it prints."""

import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from services.messaging.settings import Settings
from shared.settings import ServiceSettings
from tests.unit.deploy.manifests import ROOT, named, of_kind, title
from tools.chatctl import app as chatctl
from tools.dashboards.families import SERVICES
from tools.failure import Failure
from tools.sizing import COSTS, OTHER_CONNECTIONS, POOL_SIZE, REST_POOL_SIZE, SHARES, Demand, Part, cost_factor, size

MILLION = Demand(users=1e6, concurrent=1e5, messages_per_day=50)


def parts(demand: Demand) -> dict[str, Part]:
    return {part.name: part for part in size(demand)}


@pytest.mark.parametrize(("rate", "cost"), COSTS)
def test_what_was_measured_is_met(rate: float, cost: float) -> None:
    assert cost_factor(rate) * COSTS[-1][1] == pytest.approx(cost)


def test_a_message_gets_cheaper_with_the_rate_and_no_cheaper_than_measured() -> None:
    rates = [1, 200, 500, 1000, 2000, 5000, 14_000, 1e6]
    factors = [cost_factor(rate) for rate in rates]
    assert [round(factor, 6) for factor in factors] == sorted((round(factor, 6) for factor in factors), reverse=True)
    assert factors[-1] == pytest.approx(1)


@pytest.mark.parametrize("name", ["users", "messages_per_day", "peak", "retention_days"])
def test_more_load_never_needs_less(name: str) -> None:
    before, after = parts(MILLION), parts(replace(MILLION, **{name: getattr(MILLION, name) * 10}))
    total = {part: (one.replicas * one.memory, one.replicas * one.cores) for part, one in before.items()}
    for part, one in after.items():
        assert one.replicas * one.memory >= total[part][0] * 0.99, part
        # A message costs less in fuller batches, but ten times as many never cost less in all.
        assert one.replicas * one.cores >= total[part][1] * 0.5, part


def test_each_part_has_two_replicas_and_half_a_core_free() -> None:
    for part in size(MILLION):
        assert part.replicas >= 2, part.name
        assert part.cores <= 0.5, part.name


def test_gateways_hold_the_connections() -> None:
    gateway = parts(MILLION)["gateway"]
    assert gateway.replicas * 20_000 >= 2 * MILLION.concurrent
    assert gateway.memory > MILLION.concurrent / gateway.replicas * 14.9 * 1024


def test_every_replica_has_its_connections_to_postgresql() -> None:
    assert ServiceSettings.model_fields["database_pool_size"].default == POOL_SIZE
    assert Settings.model_fields["rest_database_pool_size"].default == REST_POOL_SIZE
    sized = parts(MILLION)
    pools = (
        sum(sized[service].replicas for service in SERVICES) * POOL_SIZE + sized["messaging"].replicas * REST_POOL_SIZE
    )
    assert f"{pools + OTHER_CONNECTIONS} connections" in sized["PostgreSQL"].why


def test_productions_postgresql_has_connections_for_all_replicas_that_autoscalers_may_start() -> None:
    most = {title(each): each["spec"].get("replicas", 0) for each in of_kind("production", "Deployment")}
    for scaler in of_kind("production", "HorizontalPodAutoscaler", "ScaledObject"):
        most[title(scaler)] = scaler["spec"].get("maxReplicas") or scaler["spec"]["maxReplicaCount"]
    needed = sum(most[service] for service in SERVICES) * POOL_SIZE + most["messaging"] * REST_POOL_SIZE
    limit = named("production", "Cluster", "postgres")["spec"]["postgresql"]["parameters"]["max_connections"]
    assert needed + OTHER_CONNECTIONS <= int(limit) - 10  # reserved for superusers, and standbys


def test_a_small_system_has_one_redis_with_its_replica_and_sentinels() -> None:
    redis = parts(Demand(5000, 500, 20))["Redis"]
    assert redis.replicas == 2
    assert "three Sentinels" in redis.why


@pytest.mark.parametrize("users", [1e5, 2e5, 1e6])
def test_a_redis_cluster_has_three_masters_or_more(users: float) -> None:
    redis = parts(Demand(users, 5000, 108))["Redis"]
    assert redis.replicas >= 6
    assert f"{redis.replicas // 2} masters of a cluster" in redis.why


def test_the_loss_of_a_standby_holds_up_no_commit() -> None:
    assert parts(MILLION)["PostgreSQL"].replicas == named("production", "Cluster", "postgres")["spec"]["instances"] == 3


def test_a_rate_stands_for_the_messages_of_a_day() -> None:
    by_rate = Demand.of_rate(MILLION.users, MILLION.concurrent, MILLION.rate)
    assert by_rate.rate == pytest.approx(MILLION.rate)
    assert by_rate.messages_per_day == pytest.approx(MILLION.messages_per_day)
    assert print_size("1e5", "5000", rate="500").startswith("500 messages a second at the peak")


def test_messages_of_a_day_or_a_rate_must_be_given() -> None:
    for messages, rate in ((None, None), ("50", "500")):
        with pytest.raises(Failure):
            print_size("1e5", "5000", messages, rate)
    with pytest.raises(Failure):
        print_size("0", "1", rate="500")


def test_the_page_on_scaling_has_what_the_formula_gives() -> None:
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:once|[\d,]+ times) \| ([\d,]+|2 million) \|[^|]+\|(.+)\|[^|]+\|$", page, re.MULTILINE)
    assert len(rows) == 4
    for rate, cells in rows:
        messages = 2e6 if rate == "2 million" else float(rate.replace(",", ""))
        shown = [float(cell) for cell in cells.split("|")]
        expected = [
            messages * SHARES[part] * cost_factor(messages) / 1e6
            for part in ("gateway", "messaging", "redis", "postgresql")
        ]
        assert shown == pytest.approx(expected, rel=0.02), rate


@pytest.mark.parametrize("arguments", [("0", "1", "1"), ("10", "1000", "1"), ("10", "1", "-1")])
def test_a_load_that_makes_no_sense_is_refused(arguments: tuple[str, str, str]) -> None:
    users, concurrent, messages = arguments
    with pytest.raises(Failure):
        print_size(users, concurrent, messages)


def test_the_documentation_shows_what_is_printed() -> None:
    shown = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    for line in print_size("1e6", "1e5", "50").splitlines():
        assert line.rstrip() in shown


def test_the_readme_shows_what_a_small_system_needs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    last = print_size("1e4", "1e3", "50").splitlines()[-1]
    numbers = re.findall(r"[\d.]+ (?:processes|cores|GiB)", last)
    assert len(numbers) == 3
    assert [number for number in numbers if number not in readme] == []


def print_size(users: str, concurrent: str, messages: str | None = None, rate: str | None = None) -> str:
    command = ["size", "--users", users, "--concurrent", concurrent]
    command += [] if messages is None else [f"--messages-per-day={messages}"]
    command += [] if rate is None else [f"--rate={rate}"]
    result = CliRunner(env={"COLUMNS": "150"}).invoke(chatctl.app, command)
    if isinstance(result.exception, Failure):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output
