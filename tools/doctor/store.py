"""The store of uploads."""

import asyncio
import os
from typing import Final

from services.media.storage import STORE_ERRORS, Storage
from tools.doctor.findings import Report

FOLDER: Final = "file://"
REMEDY: Final = "check CHAT_UPLOAD_STORE, CHAT_UPLOAD_STORE_OPTIONS, and what the network policy `uploads` allows"


async def examine(report: Report, url: str, options: str | None) -> None:
    """Check that the store answers. A folder that only media can access can't be checked."""
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
