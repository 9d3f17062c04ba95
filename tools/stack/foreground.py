"""`make run`: a stack that ends with this process, and shows the logs of its processes."""

import asyncio
import os
import signal

from tools.stack.console import Console
from tools.stack.errors import tail
from tools.stack.follow import Follower, new_lines
from tools.stack.parent import end_with_parent
from tools.stack.program import Layer
from tools.stack.stack import Stack

LOOK_SECONDS = 0.2


async def run(stack: Stack, console: Console, greeting: str) -> None:
    """Start everything, say `greeting`, show the logs, and stop everything at Ctrl-C or SIGTERM. Raises StackError."""
    interrupted = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, interrupted.set)
    starting = asyncio.create_task(stack.up())
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            console.say(greeting)
            await _watch(stack, console, interrupted)
    finally:
        for task in (starting, waiting):
            task.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)
        console.say("")
        await stack.down()


async def _watch(stack: Stack, console: Console, interrupted: asyncio.Event) -> None:
    """Show log lines and ended processes, until interrupted or until no process is left."""
    alive = {record.name: record.layer for record in stack.processes.living()}
    followers = [Follower(name, stack.home.log(name)) for name, layer in alive.items() if layer == Layer.SERVICE]
    while alive and not interrupted.is_set():
        for name, line in new_lines(followers):
            console.log(name, line)
        now = {record.name: record.layer for record in stack.processes.living()}
        for name in alive.keys() - now.keys():
            console.warn(f"{name} has ended; `make up` in another terminal starts it again. Its log ends with:")
            console.warn(tail(stack.home.log(name)))
        alive = now
        try:
            await asyncio.wait_for(interrupted.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue


def end_with_make() -> None:
    """End when `make`, the parent, ends: there is no other sign that it was killed."""
    if "MAKELEVEL" in os.environ:
        end_with_parent()
