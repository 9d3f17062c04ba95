"""The plan of a stack: the environment's values, completed by those of the running stack."""

import pytest

from tools.stack.errors import StackError
from tools.stack.plan import Plan


def test_without_wishes_there_are_two_gateways_on_8080() -> None:
    plan = Plan.of({"PATH": "/bin"})
    assert plan.port == 8080
    assert plan.routed == {"gateway": 2, "messaging": 1, "presence": 1, "notifier": 1, "media": 1}
    assert plan.replicas == {**plan.routed, "admin": 1, "webhooks": 1}
    assert plan.settings == {}


def test_chat_variables_are_settings_and_counts_are_replicas() -> None:
    plan = Plan.of(
        {"CHAT_PORT": "9000", "CHAT_PUSH_DELAY_SECONDS": "1", "GATEWAYS": "3", "MESSAGING": "", "HOME": "/root"}
    )
    assert plan.port == 9000
    assert plan.settings == {"CHAT_PORT": "9000", "CHAT_PUSH_DELAY_SECONDS": "1"}
    assert plan.replicas["gateway"] == 3
    assert plan.replicas["messaging"] == 1


@pytest.mark.parametrize(
    ("name", "value"), [("GATEWAYS", "0"), ("NOTIFIER", "many"), ("CHAT_PORT", "80 80"), ("CHAT_PORT", "70000")]
)
def test_a_bad_number_is_named(name: str, value: str) -> None:
    with pytest.raises(StackError, match=f"{name}={value}: must be a number from"):
        Plan.of({name: value})


def test_what_is_left_open_stays_as_it_runs() -> None:
    running = Plan.of({"CHAT_PORT": "9000", "CHAT_PUSH_DELAY_SECONDS": "1", "GATEWAYS": "3"})
    asked = Plan.of({"CHAT_PUSH_DELAY_SECONDS": "2"})
    both = asked.over(running)
    assert both.settings == {"CHAT_PORT": "9000", "CHAT_PUSH_DELAY_SECONDS": "2"}
    assert both.replicas["gateway"] == 3
    assert asked.kept_from(running) == ["CHAT_PORT=9000", "GATEWAYS=3"]


def test_a_plan_survives_its_file() -> None:
    plan = Plan.of({"CHAT_PORT": "9000", "GATEWAYS": "3"})
    assert Plan.stored(plan.document()) == plan
    assert Plan.stored(None) == Plan()
