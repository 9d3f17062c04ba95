/**
 * The hooks against a running stack. Skipped without `CHAT_TALK`: JSON of `{ url, conversationId, stored, me: { token },
 * other: { token, id } }`, two friends whose conversation holds `stored` messages, "old 1" and so on.
 */
import { cleanup, render, waitFor } from "@testing-library/react";
import { ChatClient } from "@chat-backend/client";
import assert from "node:assert/strict";
import { File } from "node:buffer";
import { after, before, test } from "node:test";
import { StrictMode, createElement as h } from "react";
// Node's own WebSocket hears nothing where jsdom's `Event` is the global one.
import { NodeWebSocket as WebSocket } from "../../javascript/testkit/websocket.js";
import { ChatProvider, useChat, useConversations, useMessages, usePresence, useTyping, useUnread, useUpload } from "../src/index.js";

const { url, conversationId, stored, me, other } = JSON.parse(process.env.CHAT_TALK ?? "{}");
const options = { skip: url ? false : "CHAT_TALK is not set" };
const PATIENCE_MS = 20_000;
const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

// What the server sends changes the hooks outside of `act`, as it does in an application.
globalThis.IS_REACT_ACT_ENVIRONMENT = false;

/** Every socket that React has opened. */
const sockets = [];
class Counted {
  constructor(...args) {
    const socket = new WebSocket(...args);
    sockets.push(socket);
    return socket;
  }
}

/** What the hooks have given last. @type {any} */
let hooks;
const peer = url && new ChatClient({ url, getToken: () => other.token, WebSocket });
const heard = [];

function Talk() {
  hooks = {
    chat: useChat(),
    conversations: useConversations(),
    messages: useMessages(conversationId),
    unread: useUnread(),
    presence: usePresence(other.id),
    typing: useTyping(conversationId),
    upload: useUpload(conversationId),
  };
  const { items, pending } = hooks.messages;
  return h(
    "ol",
    null,
    items.map(({ seq, content, media }) => h("li", { key: seq }, `${content ?? ""}${media.map(({ url: source }) => ` ${source}`).join("")}`)),
    pending.map(({ draft }) => h("li", { key: draft.tempId }, `… ${draft.content}`)),
  );
}

const lines = () => [...document.querySelectorAll("li")].map((line) => line.textContent);
const until = (check) => waitFor(check, { timeout: PATIENCE_MS, interval: 20 });

before(async () => {
  if (!url) return;
  peer.on("message.new", ({ message }) => heard.push(message));
  peer.connect();
  const provider = { url, getToken: async () => me.token, WebSocket: Counted };
  render(h(StrictMode, null, h(ChatProvider, provider, h(Talk))));
  await until(() => assert.ok(hooks.chat.isConnected && hooks.messages.isLoaded && hooks.conversations.isLoaded && peer.state === "open"));
});

after(() => {
  cleanup();
  peer?.close();
});

test("in StrictMode one connection lives", options, () => {
  assert.equal(sockets.filter(({ readyState }) => readyState <= 1).length, 1);
  assert.deepEqual(hooks.conversations.items.map(({ id }) => id), [conversationId]);
});

test("history goes back to the first message, and a jump leads back to the newest", options, async () => {
  assert.equal(lines().at(-1), `old ${stored}`);
  assert.ok(lines().length < stored);
  while (hooks.messages.hasOlder) await hooks.messages.loadOlder();
  const all = Array.from({ length: stored }, (_, index) => `old ${index + 1}`);
  await until(() => assert.deepEqual(lines(), all));
  await hooks.messages.jumpTo(5);
  await until(() => assert.ok(lines().includes("old 5") && !lines().includes(`old ${stored}`)));
  assert.ok(hooks.messages.hasNewer);
  while (hooks.messages.hasNewer) await hooks.messages.loadNewer();
  await until(() => assert.deepEqual(lines(), all));
});

test("a message is shown before the server has it, and once when it has", options, async () => {
  hooks.messages.send("at once");
  await until(() => assert.equal(lines().at(-1), "… at once"));
  await until(() => assert.deepEqual(lines().slice(-2), [`old ${stored}`, "at once"]));
  await until(() => assert.deepEqual(heard.map(({ content }) => content), ["at once"]));
});

test("what the other one does is shown: messages, counts, reading, presence, typing, edits, reactions", options, async () => {
  await until(() => assert.equal(hooks.presence.isOnline, true));
  peer.typing(conversationId);
  await until(() => assert.deepEqual(hooks.typing.userIds, [other.id]));
  const { seq } = await peer.send({ conversationId, content: "hello" }).sent;
  await until(() => assert.equal(lines().at(-1), "hello"));
  await until(() => assert.equal(hooks.unread, 1));
  await until(() => assert.deepEqual(hooks.typing.userIds, []));
  const read = new Promise((resolve) => peer.on("message.read_update", resolve));
  hooks.messages.markRead();
  assert.equal((await read).seq, seq);
  await until(() => assert.equal(hooks.unread, 0));
  await peer.edit(conversationId, seq, "hello again");
  await until(() => assert.equal(lines().at(-1), "hello again"));
  await hooks.messages.react(seq, "👍");
  await until(() => assert.deepEqual(hooks.messages.items.at(-1).reactions?.map(({ emoji }) => emoji), ["👍"]));
  peer.setStatus("busy");
  await until(() => assert.equal(hooks.presence.status, "busy"));
});

test("a picture is uploaded, sent and shown", options, async () => {
  const media = await hooks.upload.upload(new File([PICTURE], "dot.png", { type: "image/png" }));
  await until(() => assert.equal(hooks.upload.status, "done"));
  hooks.messages.send("a dot", { type: "image", media: [media] });
  await until(() => assert.match(lines().at(-1), /^a dot https?:/));
  await until(() => assert.equal(heard.at(-1).content, "a dot"));
  const answer = await fetch(heard.at(-1).media[0].url);
  assert.equal(answer.status, 200);
});
