"""`python -m tools.stack run|up|down|status`: the commands behind `make run`, `make up`, `make down` and `make status`."""

import argparse
import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tools.devtoken import demanded_claims, mint
from tools.stack import foreground
from tools.stack.console import Console
from tools.stack.errors import NotReady, StackError
from tools.stack.home import Home
from tools.stack.plan import Plan
from tools.stack.process import allow_many_files
from tools.stack.stack import Stack

USERS = ("alice", "bob")


def main() -> None:
    """Run the command of the first argument. Exits with 1 and a message when it fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description="The whole system on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start it here, show its logs, and stop it at Ctrl-C")
    commands.add_parser("up", help="start it in the background, or bring back what is missing of it")
    down = commands.add_parser("down", help="stop it")
    down.add_argument("--drop-data", action="store_true", help="delete its data too")
    commands.add_parser("status", help="say what runs")
    options = parser.parse_args()
    console = Console()
    allow_many_files()
    try:
        asyncio.run(_do(options, console))
    except StackError as error:
        console.warn(str(error))
        raise SystemExit(1) from None


async def _do(options: argparse.Namespace, console: Console) -> None:
    home = Home.of(os.environ)
    match options.command:
        case "run":
            await run(home, console)
        case "up":
            with locked(home):
                await up(home, console)
        case "down":
            with locked(home):
                await down(home, console, drop_data=options.drop_data)
        case _:
            await status(home, console)


async def run(home: Home, console: Console) -> None:
    """Run the stack in the foreground."""
    stack = Stack(home, os.environ, console, tied=True)
    if stack.processes.living():
        raise StackError("a stack runs here already: `make status` shows it, `make down` stops it")
    foreground.end_with_make()
    await foreground.run(stack, console, greeting(stack, console) + "\nCtrl-C stops everything.")


async def up(home: Home, console: Console) -> None:
    """Start the stack in the background."""
    stack = Stack(home, os.environ, console)
    kept = Plan.of(os.environ).kept_from(stack.running_plan())
    if kept:
        console.say(f"kept from the running stack (`make down` forgets it): {', '.join(kept)}")
    started = await stack.up()
    if started:
        console.say(greeting(stack, console) + "\n`make status` shows it, `make down` stops it.")
    else:
        console.say(f"already running at {console.bold(stack.url)}, and every part is ready")


async def down(home: Home, console: Console, *, drop_data: bool) -> None:
    """Stop the stack."""
    stack = Stack(home, os.environ, console)
    if not stack.processes.living():
        console.say("nothing runs")
    await stack.down()
    if drop_data:
        drop(home)
        console.say("the data is deleted")


async def status(home: Home, console: Console) -> None:
    """Print the processes, and whether they are ready. Raises StackError when one isn't."""
    stack = Stack(home, os.environ, console)
    if not stack.processes.living():
        raise StackError("nothing runs; `make up` starts it")
    faults = 0
    for program in (*stack.layout.servers, *stack.layout.edge):
        record = stack.processes.find(program.name)
        state = "gone"
        if record is not None:
            try:
                await program.probe()
                state = "ready"
            except NotReady as error:
                state = str(error)
        faults += state != "ready"
        console.say(f"{program.name:<14} {record.pid if record else '-':>8} {program.port:>6}  {state}")
    console.say(console.bold(stack.url))
    if faults:
        raise StackError(f"{faults} of its processes are not ready; `make up` brings back those that are gone")


def greeting(stack: Stack, console: Console) -> str:
    """Return the text to begin with: the URL and two tokens."""
    settings = stack.layout.services[0].environment
    secret = settings.get("CHAT_JWT_SECRET")
    lines = ["", f"ready at {console.bold(stack.url)}"]
    if secret is not None:
        lines += [f"{console.bold(user)}: {mint(user, secret=secret, **demanded_claims(settings))}" for user in USERS]
    return "\n".join(lines)


def drop(home: Home) -> None:
    """Delete everything that the stack wrote, links' targets first."""
    for entry in home.path.iterdir():
        if entry.is_symlink():
            shutil.rmtree(entry.readlink().parent, ignore_errors=True)
    shutil.rmtree(home.path)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Lock the stack: a second `make up` waits for the first."""
    with (home.path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
