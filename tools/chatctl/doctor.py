"""`chatctl doctor`: what is wrong with the system, and what to do about it."""

import asyncio
import json
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.text import Text

from tools.doctor.findings import Finding, Level
from tools.failure import Failure, explained
from tools.target import JsonOption

COLOURS: Final = {Level.OK: "green", Level.NOTE: "yellow", Level.FAULT: "bold red"}


def doctor(as_json: JsonOption = False) -> None:
    """Check settings, backends, queues, clocks, push keys and services; fails when something is wrong.

    It checks the system of the environment's CHAT_* settings, else the local stack.
    """
    with explained():
        findings = asyncio.run(_examine())
    if as_json:
        for finding in findings:
            print(json.dumps(asdict(finding), ensure_ascii=False))
    else:
        _show(findings)
    faults = sum(finding.level == Level.FAULT for finding in findings)
    if faults:
        raise Failure(f"{faults} faults", "mend them from the top: later ones may follow from earlier ones")


async def _examine() -> list[Finding]:
    # Imported here: every service with its settings, which no other command needs.
    from tools.docs.configuration import SERVICES, settings_of
    from tools.doctor.examine import examine
    from tools.doctor.situation import situation

    try:
        return await examine(situation(SERVICES), {service: settings_of(service) for service in SERVICES})
    except ValueError as error:
        raise Failure(f"CHAT_REDIS_URLS, CHAT_REDIS_PARTITIONS or CHAT_COMMAND_QUEUES: {error}", "mend it") from error


def _show(findings: list[Finding]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        level = f"[{COLOURS[finding.level]}]{finding.level:<5}[/]"
        console.print(f"{level} {finding.part:<{width}}  ", Text(finding.text), sep="")
        if finding.remedy:
            console.print(f"{'':<{width + 8}}", Text(f"→ {finding.remedy}"), sep="")
