"""Applications that use the packages, in TypeScript: what is compiled of them, all in one process."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.support.node import CLIENT
from tests.support.packages import compile_together

LOCAL_STACK = "http://127.0.0.1:8080"
EXAMPLE = Path(__file__).parents[2] / "examples" / "react"
HOOKS = CLIENT.parent / "react"
TYPESCRIPT: dict[str, Any] = {
    "compilerOptions": {
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "bundler",
        "lib": ["ES2022", "DOM"],
        "jsx": "react-jsx",
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": True,
        "skipLibCheck": False,
        "noEmit": True,
        "types": [],
    },
    "include": ["src"],
}
APPLICATION = """
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { ChatClient, ChatError, type EventMap, type Message } from "@chat-backend/client";

const client = new ChatClient({ url: "http://127.0.0.1:1", getToken: async () => "token" });

export function Messages({ conversationId }: { conversationId: string }) {
  const [messages, setMessages] = useState<Message[]>([]);
  useEffect(() => client.on("message.new", ({ message }) => setMessages((known) => [...known, message])), []);
  useEffect(() => client.on("error", (error: ChatError, { ref }) => console.error(error.code, ref?.tempId)), []);
  const send = async () => {
    const { sent } = client.send({ conversationId, content: "hello" });
    const { seq }: Message = await sent;
    client.markRead(conversationId, seq);
  };
  return <button onClick={send}>{messages.length}</button>;
}

export function lastSeen(presence: EventMap["user.offline"]): string | null {
  return presence.lastSeen;
}

createRoot(document.body).render(<Messages conversationId="x" />);
"""
WRONG = """
import { ChatClient } from "@chat-backend/client";
new ChatClient({ url: "http://127.0.0.1:1", getToken: () => "token" }).on("message.new", ({ massage }) => massage);
"""
BARE = """
import { ChatClient, type Message } from "@chat-backend/client";
import { ChatStore } from "@chat-backend/client/store";
const client = new ChatClient({ url: "http://127.0.0.1:1", getToken: () => "token" });
const store = new ChatStore(client);
export const messages: readonly Message[] = store.messages("x").items;
client.wake();
"""


def compile_all(installed: Path, clients: Path) -> dict[str, list[str]]:
    """Write all applications into `installed`. Returns name → faults that the compiler found."""
    write(installed / "application", TYPESCRIPT, {"src/main.tsx": APPLICATION})
    write(installed / "wrong", with_options(skipLibCheck=True), {"src/wrong.ts": WRONG})
    write(installed / "bare", with_options(lib=["ES2022"]), {"src/bare.ts": BARE})
    write(installed / "readme", TYPESCRIPT, {"src/main.tsx": readme()})
    copy_example(installed / "linked")
    scope = installed / "linked" / "node_modules" / "@chat-backend"
    scope.mkdir(parents=True)
    for name, package in (("client", "javascript"), ("react", "react")):
        (scope / name).symlink_to(clients / package)
    return compile_together(installed, ["application", "wrong", "bare", "readme", "linked"])


def write(folder: Path, settings: dict[str, Any], sources: dict[str, str]) -> None:
    """Write an application's files."""
    (folder / "src").mkdir(parents=True)
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    for name, text in sources.items():
        (folder / name).write_text(text)


def with_options(**options: object) -> dict[str, Any]:
    """The usual settings, with other options of the compiler."""
    return {**TYPESCRIPT, "compilerOptions": {**TYPESCRIPT["compilerOptions"], **options}}


def readme() -> str:
    """The application of the hooks' readme."""
    (source,) = re.findall(r"```tsx\n(.*?)```", (HOOKS / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert LOCAL_STACK in source
    return str(source)


def copy_example(folder: Path) -> None:
    """Copy the example application, without what others have installed or built there."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
