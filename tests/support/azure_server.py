"""Azure Blob Storage as Microsoft's own emulator speaks it: Azurite, from npm. It checks every signature.

It has no further storage accounts, no identities of Entra, and no lifecycle rules.
"""

import base64
import email.utils
import fcntl
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.bucket import Bucket
from tests.support.packages import install_packages
from tests.support.plain_http import NO_AUTHORITIES
from tools.stack.home import ROOT
from tools.stack.ports import free_port

VERSION = "3.37.0"
ACCOUNT, CONTAINER = "devstoreaccount1", "uploads"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own key, which Microsoft's documentation names."""
OTHER_KEY = base64.b64encode(bytes(64)).decode()
UNUSED = {"applicationinsights": "1.8.10", "mysql2": "npm:tslib@2.8.1", "tedious": "npm:tslib@2.8.1"}
"""Instead of what the emulator has for telemetry, which is off, and for data in SQL servers: five sixths of its size."""
START_SECONDS = 60


def azurite() -> Path:
    """The program, installed below `.local/` at the first use. Fails the test where there is no npm."""
    if shutil.which("npm") is None:
        pytest.fail("needs npm: install the package npm")
    folder = ROOT / ".local" / f"azurite-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            (folder / "package.json").write_text(json.dumps({"private": True, "overrides": UNUSED}))
            install_packages(folder, f"azurite@{VERSION}")
    return program


@contextmanager
def azure_bucket() -> Iterator[Bucket]:
    """A running server with an empty container."""
    port = free_port()
    command = [str(azurite()), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    process = subprocess.Popen([*command, "--disableTelemetry", "--skipApiVersionCheck"], stdout=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        _wait_until_it_listens(endpoint)
        assert _call(endpoint, "PUT", {"restype": "container"}).status_code == 201
        given = f"account_name={ACCOUNT},container_name={CONTAINER},endpoint={endpoint}"
        yield Bucket(
            url=f"az://{CONTAINER}/chat",
            options=f"{given},account_key={KEY}",
            wrong_options=f"{given},account_key={OTHER_KEY}",
            origin=endpoint,
            names=lambda: re.findall(
                "<Name>(.*?)</Name>", _call(endpoint, "GET", {"comp": "list", "restype": "container"}).text
            ),
            binds_size=False,
        )
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_listens(endpoint: str) -> None:
    end = time.monotonic() + START_SECONDS
    while not _listens(endpoint):
        assert time.monotonic() < end, f"Azurite doesn't listen at {endpoint}"
        time.sleep(0.05)


def _listens(endpoint: str) -> bool:
    try:
        httpx.get(endpoint, verify=NO_AUTHORITIES)
    except httpx.TransportError:
        return False
    return True


def _call(endpoint: str, method: str, query: dict[str, str]) -> httpx.Response:
    """A request to the container itself, signed with the account's key («Authorize with Shared Key»)."""
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "\n".join(f"{name}:{value}" for name, value in headers.items())
    resource = "\n".join([f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}", *(f"{name}:{query[name]}" for name in sorted(query))])
    text = "\n".join([method, *[""] * 11, named, resource])
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    return httpx.request(method, f"{endpoint}/{CONTAINER}", params=query, headers=headers, verify=NO_AUTHORITIES)
