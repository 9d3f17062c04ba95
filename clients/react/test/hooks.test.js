import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { StrictMode, createElement as h } from "react";
import { renderToString } from "react-dom/server";
import { FakeClock, settled } from "../../javascript/testkit/clock.js";
import { ME, OTHER, ScriptedServer, TALK, message } from "../../javascript/testkit/server.js";
import { ChatProvider, useChat, useConversations, useMessages, usePresence, useTyping, useUnread } from "../src/index.js";

afterEach(cleanup);

const PEOPLE = [ME, OTHER].map((id) => ({ id, username: id, displayName: id, avatar: null, readSeq: 0, deliveredSeq: 0 }));

function setUp() {
  const server = new ScriptedServer();
  const clock = new FakeClock();
  server.history(3);
  const conversation = { id: TALK, participants: PEOPLE, lastMessage: message(3), lastSeq: 3, unread: 2, updatedAt: "2024-01-01T11:00:00.000Z" };
  server.routes.set("GET /chat/conversations", () => [200, { items: [conversation], nextPage: null }]);
  server.routes.set("GET /chat/unread", () => [200, { total: 2, conversations: {} }]);
  const options = { url: "http://chat.test", getToken: () => "token", WebSocket: server.WebSocket, fetch: server.fetch, clock };
  return { server, clock, options };
}

async function show(element, { server, options }) {
  const view = render(h(StrictMode, null, h(ChatProvider, options, element)));
  await act(settled);
  await act(() => server.welcome());
  return view;
}

function Talk() {
  const { isConnected, sendMessage } = useChat();
  const { items, pending, edit, markRead, isLoaded } = useMessages(TALK);
  const { items: conversations } = useConversations();
  const unread = useUnread();
  const { status } = usePresence(OTHER);
  const { userIds, onInput } = useTyping(TALK);
  return h(
    "main",
    null,
    h("output", null, JSON.stringify({ isConnected, isLoaded, unread, status, userIds, talks: conversations.length })),
    h("ol", null, items.map(({ seq, content }) => h("li", { key: seq }, content)), pending.map(({ draft }) => h("li", { key: draft.tempId }, `… ${draft.content}`))),
    h("button", { onClick: () => sendMessage(TALK, "from a button") }, "send"),
    h("button", { onClick: () => void edit(1, "better") }, "edit"),
    h("button", { onClick: markRead }, "read"),
    h("input", { onInput }),
  );
}

const shown = () => JSON.parse(document.querySelector("output").textContent);
const lines = () => [...document.querySelectorAll("li")].map((line) => line.textContent);

test("in StrictMode, whose effects run twice, one connection lives and shows everything", async () => {
  const here = setUp();
  await show(h(Talk), here);
  await act(settled);
  assert.deepEqual(shown(), { isConnected: true, isLoaded: true, unread: 2, status: "offline", userIds: [], talks: 1 });
  assert.deepEqual(lines(), ["number 1", "number 2", "number 3"]);
  assert.equal(here.server.sockets.filter(({ readyState }) => readyState <= 1).length, 1);
});

test("a message is shown when it is sent, and as the server stored it afterwards", async () => {
  const here = setUp();
  await show(h(Talk), here);
  await act(() => fireEvent.click(screen.getByText("send")));
  assert.equal(lines().at(-1), "… from a button");
  const [{ tempId }] = here.server.sent("message.send");
  await act(() => here.server.push("message.sent", { tempId, message: message(4, { senderId: ME, content: "from a button" }) }));
  assert.deepEqual(lines().slice(-2), ["number 3", "from a button"]);
});

test("what comes is shown: messages, edits, presence, typing, unread counts", async () => {
  const here = setUp();
  await show(h(Talk), here);
  await act(() => here.server.push("message.new", { message: message(4), unread: { conversation: 3, total: 3 } }));
  await act(() => here.server.push("user.online", { userId: OTHER, isOnline: true, status: "online", lastSeen: null }));
  await act(() => here.server.push("typing.start", { conversationId: TALK, userId: OTHER, expiresInMs: 3000 }));
  assert.deepEqual(shown(), { isConnected: true, isLoaded: true, unread: 3, status: "online", userIds: [OTHER], talks: 1 });
  await act(() => fireEvent.click(screen.getByText("edit")));
  const [{ tempId }] = here.server.sent("message.edit");
  await act(() => here.server.push("message.updated", { conversationId: TALK, seq: 1, content: "better", editedAt: "2024-01-01T12:00:00.000Z", tempId }));
  assert.equal(lines()[0], "better");
  await act(() => fireEvent.click(screen.getByText("read")));
  await act(() => here.clock.advance(500));
  assert.deepEqual(here.server.sent("message.read"), [{ conversationId: TALK, seq: 4 }]);
});

test("unmounting closes the connection", async () => {
  const here = setUp();
  const view = await show(h(Talk), here);
  view.unmount();
  assert.ok(here.server.sockets.every(({ readyState }) => readyState > 1));
});

test("a server renders it without a connection", () => {
  const here = setUp();
  const html = renderToString(h(ChatProvider, here.options, h(Talk)));
  assert.match(html, /isConnected/);
  assert.equal(here.server.sockets.length, 0);
});

test("a hook outside the provider says what is missing", () => {
  assert.throws(() => renderToString(h(Talk)), /ChatProvider/);
});

const BROKEN = "00000000-0000-4000-8000-0000000000c9";
const REFUSED = () => [404, { error: { code: "conversation_not_found", message: "no" } }];

function Thread({ id }) {
  const { items, error } = useMessages(id);
  return h("output", null, JSON.stringify({ error: error?.code ?? null, count: items.length }));
}

test("what failed in one conversation keeps no other from loading", async () => {
  const here = setUp();
  here.server.routes.set(`GET /chat/conversations/${BROKEN}/messages`, REFUSED);
  const view = await show(h(Thread, { id: BROKEN }), here);
  await act(settled);
  assert.deepEqual(shown(), { error: "conversation_not_found", count: 0 });
  view.rerender(h(StrictMode, null, h(ChatProvider, here.options, h(Thread, { id: TALK }))));
  await act(settled);
  assert.deepEqual(shown(), { error: null, count: 3 });
});

test("a page that could not be read is read on the next connection", async () => {
  const here = setUp();
  const read = here.server.routes.get(`GET /chat/conversations/${TALK}/messages`);
  here.server.routes.set(`GET /chat/conversations/${TALK}/messages`, REFUSED);
  await show(h(Thread, { id: TALK }), here);
  await act(settled);
  assert.equal(shown().error, "conversation_not_found");
  here.server.routes.set(`GET /chat/conversations/${TALK}/messages`, read);
  await act(() => here.server.close(1006));
  await act(() => here.clock.advance(1_000));
  await act(() => here.server.welcome({ recovered: true }));
  await act(settled);
  assert.deepEqual(shown(), { error: null, count: 3 });
});

function List() {
  const { items, error, loadMore } = useConversations();
  return h("button", { onClick: loadMore }, JSON.stringify({ error: error?.code ?? null, count: items.length }));
}

test("a page of the list that fails is told, and leaves no rejection behind", async () => {
  const here = setUp();
  const first = here.server.routes.get("GET /chat/conversations")();
  here.server.routes.set("GET /chat/conversations", (url) => (url.searchParams.has("page") ? REFUSED() : [200, { ...first[1], nextPage: "two" }]));
  await show(h(List), here);
  await act(() => fireEvent.click(screen.getByRole("button")));
  await act(settled);
  assert.deepEqual(JSON.parse(screen.getByRole("button").textContent), { error: "conversation_not_found", count: 1 });
});
