"""Checks each service by one of its paths through the load balancer, and those of the local stack directly too."""

from typing import Final

import httpx

from shared.telemetry import VERSION
from tools.doctor.findings import Report
from tools.doctor.situation import Situation
from tools.process_health import READY, ask_all

SECONDS: Final = 10.0
PATHS: Final = {
    "gateway": "/chat/ws",
    "messaging": "/chat/conversations",
    "presence": "/chat/friends",
    "notifier": "/chat/push/key",
    "media": "/chat/uploads/usage",
}
"""Service → a path that only it answers. The refusal of a request without a token shows that the service is there."""
_AWAY: Final = frozenset({502, 503, 504})
_VERSION: Final = 'version="'


async def examine(report: Report, found: Situation) -> None:
    """Ask every service."""
    if found.processes:
        await _local(report, found)
    if found.url is None:
        report.note("no address of the system is known: the way in isn't looked at", "name it by CHAT_URL or --url")
        return
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
        for service, path in PATHS.items():
            try:
                status = (await http.get(found.url + path)).status_code
            except httpx.HTTPError as error:
                report.fault(
                    f"{found.url} doesn't answer: {type(error).__name__}",
                    "is the load balancer up, and is CHAT_URL right?",
                )
                return
            report.judge(
                f"{service} answers through {found.url}",
                f"{found.url}{path} answers {status}: no replica of {service} is ready" if status in _AWAY else None,
                f"look at the pods or containers of {service}: their /readyz says what is missing",
            )


async def _local(report: Report, found: Situation) -> None:
    for health in await ask_all(list(found.processes)):
        if health.state != READY:
            report.fault(f"{health.name}: {health.state}", "bring it back with `make up`; logs are in .local/log")
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:
        versions = {
            process.name: await _version(http, process.port)
            for process in found.processes
            if process.name.rpartition("-")[0] in found.settings
        }
    others = {name: version for name, version in versions.items() if version not in (None, VERSION)}
    report.judge(
        f"{len(versions)} processes of version {VERSION}",
        f"not of this tool's version {VERSION}: {others}" if others else None,
        "use the tool of the release that runs",
    )


async def _version(http: httpx.AsyncClient, port: int) -> str | None:
    """What `chat_build_info` says; None without an answer, which `/readyz` has told already."""
    try:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    except httpx.HTTPError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("chat_build_info{")), "")
    return line.partition(_VERSION)[2].partition('"')[0] or None
