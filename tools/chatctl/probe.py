"""`chatctl probe`: does a message get from one user to another?"""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.console import Console

from tools.failure import Failure, explained
from tools.probe import metrics
from tools.probe.certificate import certificate_end
from tools.probe.journey import Journey, PushPlace
from tools.probe.people import token_sources
from tools.probe.steps import Steps
from tools.target import JsonOption, UrlOption, url_of

STEP_SECONDS: Final = 10.0


def probe(
    url: UrlOption = None,
    seconds: Annotated[float, typer.Option(help="Time limit of a step.", min=0.1)] = STEP_SECONDS,
    push_origin: Annotated[
        str | None,
        typer.Option(
            envvar="CHAT_PROBE_PUSH_ORIGIN",
            help="Try a push, too: an origin of CHAT_PUSH_ALLOWED_HOSTS that leads to --push-listen.",
        ),
    ] = None,
    push_listen: Annotated[
        str, typer.Option(envvar="CHAT_PROBE_PUSH_LISTEN", help="Address for pushes.")
    ] = "127.0.0.1:8001",
    metrics_to: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            envvar="CHAT_PROBE_METRICS",
            help="Where metrics go: the URL of a Pushgateway, or a file for node_exporter's textfile collector.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Log two users in, send, receive, read, and perhaps push; fails at the first step that does."""
    host, _, port = push_listen.rpartition(":")
    if push_origin and not (host and port.isdecimal()):
        raise Failure(f"{push_listen} is no address", "write it as 127.0.0.1:8001")
    place = PushPlace(push_origin, host, int(port)) if push_origin else None
    origin = url_of(url)
    steps = asyncio.run(Journey(origin, token_sources(), seconds).run(place))
    if metrics_to:
        with explained():
            metrics.tell(metrics.registry_of(steps, time.time(), certificate_end(origin)), metrics_to)
    if as_json:
        print(json.dumps([asdict(step) for step in steps.taken]))
    else:
        _show(steps)
    if not steps.succeeded:
        failed = steps.taken[-1]
        raise Failure(f"{failed.name} failed: {failed.error}", "see what is wrong with `chatctl doctor`")


def _show(steps: Steps) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for step in steps.taken:
        state = "[green]ok[/]" if step.error is None else "[bold red]failed[/]"
        console.print(f"{step.name:<8} {step.seconds:6.3f} s  {state}")
