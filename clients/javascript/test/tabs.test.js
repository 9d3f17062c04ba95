import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { TabClient } from "../src/tabs.js";
import { FakeClock } from "../testkit/clock.js";
import { ME, OTHER, ScriptedServer, TALK, message } from "../testkit/server.js";

/** Web Locks, as much as one exclusive lock by name is. */
class Locks {
  #tails = new Map();

  request(name, work) {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const done = before.then(work);
    this.#tails.set(name, done.catch(() => {}));
    return done;
  }
}

const tabs = [];

afterEach(() => tabs.splice(0).forEach((tab) => tab.close()));

function setUp(more = {}) {
  Object.defineProperty(globalThis, "navigator", { value: { locks: new Locks() }, configurable: true });
  const server = new ScriptedServer();
  const name = `test ${Math.random()}`;
  const open = ({ connects = true } = {}) => {
    const options = { url: "http://chat.test", getToken: () => "token", WebSocket: server.WebSocket, fetch: server.fetch, clock: new FakeClock(), ...more };
    const tab = new TabClient({ ...options, name });
    const events = [];
    for (const type of ["message.new", "message.sent", "state"]) tab.on(type, (payload) => events.push([type, payload.message?.seq ?? payload.state]));
    tabs.push(tab);
    if (connects) tab.connect();
    return { tab, events, seqs: (type) => events.filter(([one]) => one === type).map(([, seq]) => seq) };
  };
  return { server, open };
}

/** Messages between tabs take their time: looks until it is so. */
async function until(condition) {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await wait(2);
  }
  assert.fail(`never: ${condition}`);
}

async function connected(count, more) {
  const { server, open } = setUp(more);
  const opened = [];
  for (let tab = 0; tab < count; tab++) opened.push(open());
  await until(() => server.sockets.length === 1);
  await server.welcome();
  await until(() => opened.every(({ tab }) => tab.state === "open" && tab.userId === ME));
  return { server, open, opened };
}

test("eleven tabs have one connection, and all hear what comes", async () => {
  const { server, opened } = await connected(11);
  assert.equal(server.sockets.length, 1);
  assert.equal(opened.filter(({ tab }) => tab.isLeader).length, 1);
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await server.push("user.online", { userId: OTHER, isOnline: true, status: "online", lastSeen: null });
  await until(() => opened.every(({ seqs, tab }) => seqs("message.new").length === 1 && tab.presence.get(OTHER).isOnline));
});

test("a tab that has no connection sends, edits and gets errors through the one that has", async () => {
  const { server, opened } = await connected(2);
  const { tab } = opened.find(({ tab }) => !tab.isLeader);
  const { tempId, sent } = tab.send({ conversationId: TALK, content: "hello" });
  await until(() => server.sent("message.send").length === 1);
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) }, { cursor: "c1" });
  assert.equal((await sent).seq, 1);
  const edited = tab.edit(TALK, 1, "better");
  await until(() => server.sent("message.edit").length === 1);
  const refused = assert.rejects(edited, { code: "not_allowed" });
  await server.error("not_allowed", {}, { type: "message.edit", conversationId: TALK });
  await refused;
  assert.throws(() => tab.send({ conversationId: "nonsense", content: "x" }), { code: "validation_error" });
});

test("a message that is refused, or never leaves, is told once in the tab that wrote it", async () => {
  const { server, opened } = await connected(2);
  const failed = [];
  for (const { tab } of opened) {
    tab.on("message.failed", ({ draft, error }) => failed.push([tab.isLeader, draft.content, error.code]));
    const { tempId, sent } = tab.send({ conversationId: TALK, content: `by ${tab.isLeader}` });
    await until(() => server.sent("message.send").some((draft) => draft.tempId === tempId));
    const refused = assert.rejects(sent, { code: "blocked" });
    await server.error("blocked", {}, { type: "message.send", conversationId: TALK, tempId });
    await refused;
  }
  const own = () => failed.filter(([isLeader, content]) => content === `by ${isLeader}`);
  await until(() => own().length === 2);
  assert.deepEqual(own().map(([, , code]) => code), ["blocked", "blocked"]);
  const other = opened.find(({ tab }) => !tab.isLeader).tab;
  const { sent } = other.send({ conversationId: TALK, content: "waiting" });
  const closed = assert.rejects(sent, { code: "closed" });
  other.close();
  await closed;
  await until(() => failed.some(([, content]) => content === "waiting"));
  assert.equal(own().length, 2);
  assert.equal(failed.filter(([isLeader, content]) => !isLeader && content === "waiting").length, 1);
});

test("when the tab with the connection goes, another resumes from the cursor and sends what waited", async () => {
  const { server, opened } = await connected(3);
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  const leader = opened.find(({ tab }) => tab.isLeader);
  const others = opened.filter((one) => one !== leader);
  await until(() => others.every(({ seqs }) => seqs("message.new").length === 1));
  const { tempId, sent } = others[0].tab.send({ conversationId: TALK, content: "on its way" });
  await until(() => server.sent("message.send").length === 1);
  leader.tab.close();
  await until(() => server.sockets.length === 2);
  // An event is told before the cursor moves past it: the last one may come again, and is told once.
  assert.match(server.socket.url, /cursor=c[01]$/);
  await server.welcome({ recovered: true });
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await until(() => server.sent("message.send").length === 1);
  assert.equal(server.sent("message.send")[0].tempId, tempId);
  await server.push("message.sent", { tempId, message: message(2, { senderId: ME }) }, { cursor: "c2" });
  assert.equal((await sent).seq, 2);
  await until(() => others.every(({ seqs }) => seqs("message.sent").length === 1));
  assert.ok(others.every(({ seqs }) => seqs("message.new").length === 1));
});

test("a tab that leads a second time tells each event once", async () => {
  const { server, opened } = await connected(1);
  const [{ tab, seqs }] = opened;
  tab.close();
  tab.connect();
  await until(() => server.sockets.length === 2);
  await server.welcome({ recovered: true });
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await until(() => seqs("message.new").length > 0);
  assert.deepEqual(seqs("message.new"), [1]);
});

test("closing and connecting at once, as StrictMode does, leaves one client", async () => {
  const { server, open } = setUp();
  const { tab, seqs } = open();
  tab.close();
  tab.connect();
  await until(() => server.sockets.length === 1);
  await server.welcome();
  await until(() => tab.state === "open");
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await until(() => seqs("message.new").length > 0);
  assert.equal(server.sockets.filter(({ readyState }) => readyState <= 1).length, 1);
  assert.deepEqual(seqs("message.new"), [1]);
});

test("what the leading tab had stored and not sent goes from the next leader, opened before as it was", async () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
  const { server, opened } = await connected(2, { storage });
  const leader = opened.find(({ tab }) => tab.isLeader);
  const { tempId, sent } = leader.tab.send({ conversationId: TALK, content: "stored" });
  await until(() => server.sent("message.send").length === 1);
  sent.catch(() => {});
  leader.tab.close();
  await until(() => server.sockets.length === 2);
  await server.welcome({ recovered: true });
  await until(() => server.sent("message.send").length === 1);
  assert.equal(server.sent("message.send")[0].tempId, tempId);
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) }, { cursor: "c1" });
  await until(() => items.size === 0);
});

test("a status goes over to the next leader", async () => {
  const { server, opened } = await connected(2);
  const [leader, other] = [true, false].map((leads) => opened.find(({ tab }) => tab.isLeader === leads).tab);
  other.setStatus("busy");
  await until(() => server.sent("presence.set").length === 1);
  await server.push("pong", { timestamp: 1 });
  await server.push("message.new", { message: message(1), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await until(() => opened.every(({ seqs }) => seqs("message.new").length === 1));
  leader.close();
  await until(() => server.sockets.length === 2);
  await server.welcome({ recovered: true });
  await until(() => server.sent("presence.set").at(-1)?.status === "busy");
});

test("the user is active while one tab is looked at", async () => {
  const { server, opened } = await connected(2);
  opened[0].tab.setActive(false);
  opened[1].tab.setActive(false);
  await until(() => server.sent("client.state").at(-1)?.active === false);
  opened[1].tab.setActive(true);
  await until(() => server.sent("client.state").at(-1)?.active === true);
});

test("a tab that is opened later learns that the connection stands, and reads the conversations once", async () => {
  const { server, open } = await connected(1);
  server.routes.set("GET /chat/conversations", () => [200, { items: [{ id: TALK, lastSeq: 3 }], nextPage: null }]);
  const late = open();
  const synced = [];
  late.tab.on("synced", ({ conversations }) => synced.push(conversations.map(({ id }) => id)));
  await until(() => late.tab.state === "open" && synced.length > 0);
  assert.equal(late.tab.userId, ME);
  await server.push("message.new", { message: message(4), unread: { conversation: 1, total: 1 } }, { cursor: "c1" });
  await until(() => late.seqs("message.new").length === 1);
  assert.deepEqual(synced, [[TALK]]);
});

test("what a tab asks before it connects is done by the tab that leads already", async () => {
  const { server, open } = await connected(1);
  const { tab } = open({ connects: false });
  const { tempId, sent } = tab.send({ conversationId: TALK, content: "early" });
  tab.connect();
  await until(() => server.sent("message.send").length === 1);
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) }, { cursor: "c1" });
  assert.equal((await sent).seq, 1);
});

test("a closed tab refuses what it is asked", async () => {
  const { opened } = await connected(1);
  const [{ tab }] = opened;
  tab.close();
  await assert.rejects(tab.send({ conversationId: TALK, content: "late" }).sent, { code: "closed" });
  await assert.rejects(tab.block("bob"), { code: "closed" });
});

test("where the browser refuses locks, as in a sandboxed frame, a tab has its own connection", async () => {
  const { server, open } = setUp();
  navigator.locks.request = () => Promise.reject(new Error("SecurityError"));
  const { tab } = open();
  await until(() => server.sockets.length === 1);
  await server.welcome();
  await until(() => tab.state === "open");
});

test("any tab starts a connection again that the server has stopped", async () => {
  const { server, opened } = await connected(2);
  await server.close(4409);
  await until(() => opened.every(({ tab }) => tab.state === "stopped"));
  opened.find(({ tab }) => !tab.isLeader).tab.connect();
  await until(() => server.sockets.length === 2);
});

test("a tab that is shown makes the one with the connection reconnect at once", async (context) => {
  const { server, open } = await connected(1);
  globalThis.window = new EventTarget();
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  context.after(() => {
    delete globalThis.window;
    delete globalThis.document;
  });
  const { tab } = open();
  await until(() => tab.state === "open");
  await server.close(1006);
  await until(() => tab.state === "waiting");
  document.dispatchEvent(new Event("visibilitychange"));
  await until(() => server.sockets.length === 2);
});
