"""The store of uploads."""

import asyncio
import os
from typing import Final

from services.media.storage import STORE_ERRORS, Storage
from tools.doctor.findings import Report

FOLDER: Final = "file://"
REMEDY: Final = "check CHAT_UPLOAD_STORE, CHAT_UPLOAD_STORE_OPTIONS, and what the network policy `uploads` allows"


async def examine(report: Report, url: str | None, options: str | None) -> None:
    """Check that the store answers. One that only media knows or can access can't be checked; None: it isn't known here."""
    if url is None:
        report.note(
            "CHAT_UPLOAD_STORE isn't visible from here, so the store of uploads isn't checked",
            "nothing, without uploads; else give this tool media's CHAT_UPLOAD_STORE and CHAT_UPLOAD_STORE_OPTIONS",
        )
        return
    if url.startswith(FOLDER) and not await asyncio.to_thread(os.path.isdir, url.removeprefix(FOLDER)):
        report.note(
            f"{url} isn't on this machine", "nothing, if media runs elsewhere: its /readyz says whether it answers"
        )
        return
    try:
        await Storage(url, options).ping()
    except (*STORE_ERRORS, ValueError) as error:
        report.fault(f"{url} doesn't answer: {error}", REMEDY)
    else:
        report.ok(f"{url} answers")
