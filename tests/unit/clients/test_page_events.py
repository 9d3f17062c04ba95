"""What the client's events change in the page's model, in Node."""

import json
import os
from typing import Any, Final

from tests.support.node import CLIENT, run_node
from tools.stack.home import ROOT

APP: Final = ROOT / "examples" / "web" / "app"
SCRIPT: Final = """
import { readFile } from "node:fs/promises";
const { APP, CLIENT } = process.env;
/** The page's modules have no package.json that says that they are modules. */
const load = async (name) => {
  let text = await readFile(`${APP}/${name}`, "utf8");
  for (const [whole, path] of [...text.matchAll(/from "([^"]+)"/g)]) {
    const found = path.startsWith("/client/") ? `file://${CLIENT}/${path.slice(8)}` : await load(path.slice(2));
    text = text.replace(whole, () => `from "${found}"`);
  }
  return `data:text/javascript,${encodeURIComponent(text)}`;
};
const { followEvents } = await import(await load("events.js"));
const { Model } = await import(await load("model.js"));
const handlers = {};
const calls = [];
const actions = { onSynced() {}, readConversation: (id) => calls.push(id) };
const model = new Model({ userId: "me" });
followEvents({ on: (type, handler) => (handlers[type] = handler) }, model, actions);
const message = { conversationId: "c", seq: 1, senderId: "other", content: "hello", createdAt: "2024-01-01T11:00:00.000Z" };
const rest = { unread: 0, participants: [], updatedAt: message.createdAt };
const conversation = { id: "c", lastSeq: 1, lastMessage: message, me: { archived: false }, ...rest };
model.putConversation(conversation);
model.putMessage(message);
const show = () => ({ chats: model.chats.length, archived: model.archived.length, entries: model.thread("c").entries.length });
const shown = [show()];
handlers.synced({ conversations: [], archived: [{ ...conversation, me: { archived: true } }], nextPage: null });
shown.push(show());
handlers["user.deleted"]({ userId: "other", conversationId: "c" });
shown.push(show());
console.log(JSON.stringify({ shown, calls }));
"""


async def test_a_chat_that_was_archived_elsewhere_leaves_the_list_and_one_with_an_erased_user_is_read_again() -> None:
    environment = {**os.environ, "APP": str(APP), "CLIENT": str(CLIENT)}
    output = await run_node("--input-type=module", "--eval", SCRIPT, environment=environment, seconds=60)
    result: dict[str, Any] = json.loads(output)
    assert result["shown"] == [
        {"chats": 1, "archived": 0, "entries": 1},
        {"chats": 0, "archived": 1, "entries": 1},
        {"chats": 0, "archived": 1, "entries": 0},
    ]
    assert result["calls"] == ["c"]
