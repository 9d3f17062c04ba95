"""The React hooks: their own tests, and the example application that is built with the packed packages."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.async_api import expect

from tests.packages.applications import LOCAL_STACK, copy_example, readme
from tests.packages.conftest import Compiled
from tests.support.chromium import running_chromium
from tests.support.node import node_command
from tests.support.packages import VITE, run_command, undeclared_imports
from tests.support.people import People
from tests.support.platform import Platform
from tests.support.stack import Stack

STORED = 90
"""Messages of the conversation that the hooks show: three pages."""
BROWSER_MS = 30_000


def test_their_own_tests_pass(clients: Path) -> None:
    assert "fail 0" in run_command(["npm", "test"], clients / "react")


async def test_they_work_with_the_real_stack(clients: Path, stack: Stack, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    conversation = await alice.conversation_with(bob)
    lines = [
        {
            "kind": "message",
            "userIds": [alice.id, bob.id],
            "senderId": (alice if number % 2 else bob).id,
            "type": "text",
            "content": f"old {number}",
            "createdAt": f"2020-01-01T10:00:{number % 60:02d}.000Z",
            "tempId": f"old-{number}",
        }
        for number in range(1, STORED + 1)
    ]
    body = "\n".join(map(json.dumps, lines))
    headers = {"Content-Type": "application/x-ndjson"}
    result = await Platform(stack.admin_url).expect(200, "POST", "/import", content=body, headers=headers)
    assert result["imported"] == STORED
    talk = {
        "url": stack.url,
        "conversationId": conversation,
        "stored": STORED,
        "me": {"token": alice.token},
        "other": {"token": bob.token, "id": bob.id},
    }
    command = [*node_command(), "--import", "./test/dom.js", "--test", "test/stack.test.js"]
    environment = {"CHAT_TALK": json.dumps(talk)}
    output = await asyncio.to_thread(run_command, command, clients / "react", environment=environment)
    assert "fail 0" in output
    assert "skipped 0" in output


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The origin of a server of static files."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *_: object) -> None:
        """What is asked for interests nobody."""


async def test_the_application_of_their_readme_works_in_two_browsers(
    installed: Path, compiled: Compiled, stack: Stack, people: People
) -> None:
    assert compiled["readme"] == []
    folder = installed / "readme"
    (folder / "index.html").write_text("<body></body><script type='module' src='/src/main.tsx'></script>")
    (folder / "src" / "main.tsx").write_text(readme().replace(LOCAL_STACK, stack.url))
    await asyncio.to_thread(run_command, [f"../{VITE}", "build"], folder)

    alice, bob = people.make("alice"), people.make("bob")
    await bob.get("/chat/users/me")
    async with running_chromium() as browser:
        with served(folder / "dist") as origin:
            pages = []
            for me, other in ((alice, bob), (bob, alice)):
                page = await (await browser.new_context()).new_page()
                await page.goto(f"{origin}/#{me.username},{other.username}")
                await page.get_by_role("button", name="Say hello").click(timeout=BROWSER_MS)
                pages.append(page)
            for page in pages:
                for person in (alice, bob):
                    line = page.get_by_text(f"hello from {person.username}", exact=True)
                    await expect(line.and_(page.locator("p"))).to_have_count(1, timeout=BROWSER_MS)


def test_the_example_builds_with_the_packed_packages(installed: Path) -> None:
    folder = installed / "example"
    copy_example(folder)
    assert undeclared_imports(folder, folder / "src") == set()
    package = json.loads((folder / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    del wanted["vite"]  # an older Node has an older one
    for name, version in wanted.items():
        found = json.loads((installed / "node_modules" / name / "package.json").read_text())["version"]
        assert version == found or version.startswith("file:"), (
            f"{name} {version} is asked for, and {found} is installed"
        )
    run_command(["npm", "run", "build"], folder)
    assert any((folder / "dist" / "assets").glob("*.js"))


def test_the_example_compiles_with_the_packages_that_it_links(compiled: Compiled) -> None:
    assert compiled["linked"] == []
