"""What docs/operations.md tells an operator to do: the commands and metrics of each alert's page."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from tools.stack.home import ROOT

DOCUMENT: Final = ROOT / "docs/operations.md"
PROGRAMS: Final = (
    "chatctl",
    "chronyc",
    "docker",
    "haproxy",
    "kubectl",
    "nslookup",
    "rabbitmq-diagnostics",
    "rabbitmq-queues",
    "rabbitmqctl",
    "redis-cli",
    "timedatectl",
    "SELECT",
    "VACUUM",
)
"""How a command begins. A word alone is a name, not a command."""


@dataclass(frozen=True)
class Page:
    """The page of one alert, with the sections beside the alerts that it leads to."""

    alert: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Return every command of the page, word for word."""
        spans = re.findall(r"`([^`\n]+)`", self.text)
        blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL))
        lines = [re.sub(r"\s+#.*", "", line) for line in blocks.splitlines()]
        return [text for text in (*spans, *lines) if text.partition(" ")[0] in PROGRAMS and " " in text]

    @property
    def metrics(self) -> list[str]:
        """Every metric that it names."""
        return sorted(set(re.findall(r"`(chat_\w+)`", self.text)))


@cache
def pages() -> dict[str, Page]:
    """Each alert → its page."""
    text = DOCUMENT.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##+ |\Z)", text, re.MULTILINE | re.DOTALL))
    found = {}
    for title, body in sections.items():
        if re.fullmatch(r"Chat\w+", title):
            linked = [
                further
                for name, further in sections.items()
                if f"](#{name.lower().replace(' ', '-')})" in body and not name.startswith("Chat")
            ]
            found[title] = Page(title, "\n".join([body, *linked]))
    return found
