"""The test that docs/testing-against-it.md gives to other projects, against the local stack: it must not need Docker to fail."""

import runpy
from pathlib import Path

from tests.support.stack import Stack

EXAMPLE = Path(__file__).parents[1] / "containers" / "test_running_chat.py"


def test_the_first_test_of_another_project_passes(stack: Stack) -> None:
    runpy.run_path(str(EXAMPLE))["test_two_users_get_a_conversation"](stack.url)
