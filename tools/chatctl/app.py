"""The application with all commands."""

import sys
from typing import Final

import typer
from rich.console import Console

from tools.chatctl import (
    audit,
    bench_compare,
    dead_letters,
    doctor,
    media,
    probe,
    protections,
    revoke,
    send,
    size,
    status,
    tail,
    token,
    trace,
    unread,
    webhooks,
)
from tools.failure import Failure
from tools.vapid import vapid

FAILED: Final = 1
INTERRUPTED: Final = 130
"""The exit status after Ctrl-C (POSIX shells: 128 + SIGINT)."""

app = typer.Typer(
    help="Operates the chat system: tokens, messages, events, health and repairs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(token.token)
app.command()(send.send)
app.command()(tail.tail)
app.command()(status.status)
app.command()(doctor.doctor)
app.command()(probe.probe)
app.command()(trace.trace)
app.command("size")(size.size_command)
app.command()(revoke.revoke)
app.command()(unread.unread)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(media.app, name="media")
app.add_typer(protections.app, name="protections")
app.add_typer(webhooks.app, name="webhooks")
app.command()(audit.audit)
app.command()(vapid)
app.command("bench-compare")(bench_compare.bench_compare)


def main() -> None:
    """Run the command that the arguments name. Exits with 1, and says what to do, when it fails."""
    try:
        app()
    except Failure as failure:
        console = Console(stderr=True)
        console.print(f"[bold red]{failure.problem}[/]", highlight=False)
        console.print(f"→ {failure.remedy}", highlight=False)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
