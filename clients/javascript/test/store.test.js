import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatStore } from "../src/store/index.js";
import { settled } from "../testkit/clock.js";
import { connected, setUp } from "../testkit/fixture.js";
import { ME, OTHER, TALK, message } from "../testkit/server.js";

const AT = "2024-01-01T12:00:00.000Z";
const SETTINGS = { mutedUntil: null, archived: false, pinned: false, markedUnread: false, clearedSeq: 0, readSeq: 0 };

function conversation({ id = TALK, lastSeq = 3, me = {}, ...rest } = {}) {
  const participants = [ME, OTHER].map((user) => ({ id: user, username: user, displayName: user, avatar: null, readSeq: 0, deliveredSeq: 0 }));
  return { id, participants, lastMessage: message(lastSeq), lastSeq, unread: 0, updatedAt: "2024-01-01T11:00:00.000Z", me: { ...SETTINGS, ...me }, ...rest };
}

async function withStore(options = {}, storeOptions = {}) {
  const all = setUp(options);
  const { server } = all;
  server.history(3);
  server.routes.set("GET /chat/conversations", () => [200, { items: [conversation()], nextPage: null }]);
  server.routes.set("GET /chat/unread", () => [200, { total: 5, conversations: {} }]);
  const store = new ChatStore(all.client, storeOptions);
  return { ...all, store };
}

async function open(options, storeOptions) {
  const all = await withStore(options, storeOptions);
  all.client.connect();
  await settled();
  await all.server.welcome();
  await all.store.loadOlder(TALK);
  return all;
}

const contents = (store) => store.messages(TALK).items.map(({ content }) => content);

test("a message is shown at once, then as the server stored it", async () => {
  const { store, server } = await open();
  const tempId = store.send({ conversationId: TALK, content: "hello" });
  assert.deepEqual(store.messages(TALK).pending.map(({ status, draft }) => [status, draft.content]), [["sending", "hello"]]);
  await server.push("message.sent", { tempId, message: message(4, { senderId: ME, content: "hello" }) });
  assert.deepEqual(store.messages(TALK).pending, []);
  assert.equal(contents(store).at(-1), "hello");
  assert.equal(store.conversations.items[0].lastSeq, 4);
});

test("a message that failed stays until it is sent again or given up", async () => {
  const { store, server, client } = await open();
  const tempId = store.send({ conversationId: TALK, content: "hello" });
  await server.error("blocked", {}, { type: "message.send", tempId, conversationId: TALK });
  const [failed] = store.messages(TALK).pending;
  assert.deepEqual([failed.status, failed.error.code], ["failed", "blocked"]);
  store.retry(failed);
  assert.equal(store.messages(TALK).pending[0].status, "sending");
  store.discard(store.messages(TALK).pending[0]);
  await settled();
  assert.deepEqual([store.messages(TALK).pending, client.pending], [[], 0]);
});

test("edits, deletions and reactions change what is shown, quotes and the list among it", async () => {
  const { store, server } = await open();
  await server.push("message.new", { message: { ...message(4), replyTo: { seq: 2, senderId: ME, type: "text", content: "number 2" } }, unread: { conversation: 1, total: 6 } });
  await server.push("message.updated", { conversationId: TALK, seq: 4, content: "edited", editedAt: AT });
  await server.push("reaction.updated", { conversationId: TALK, seq: 4, userId: OTHER, emoji: "👍", active: true, at: AT });
  await server.push("reaction.updated", { conversationId: TALK, seq: 4, userId: ME, emoji: "👍", active: true, at: AT });
  await server.push("reaction.updated", { conversationId: TALK, seq: 4, userId: OTHER, emoji: "👍", active: false, at: AT });
  const last = () => store.messages(TALK).items.at(-1);
  assert.deepEqual([last().content, last().editedAt, last().reactions], ["edited", AT, [{ emoji: "👍", userIds: [ME] }]]);
  assert.equal(store.conversations.items[0].lastMessage.content, "edited");
  await server.push("message.deleted", { conversationId: TALK, seq: 2, deletedAt: AT });
  assert.deepEqual(last().replyTo, { seq: 2, deletedAt: AT });
  await server.push("message.deleted", { conversationId: TALK, seq: 4, deletedAt: AT, unread: { conversation: 0, total: 5 } });
  assert.deepEqual([last().content, last().reactions, last().replyTo, last().deletedAt], [null, undefined, undefined, AT]);
  assert.deepEqual([store.conversations.items[0].unread, store.conversations.unread], [0, 5]);
});

test("history pages join in both directions, and a jump begins anew", async () => {
  const { store, server } = await open();
  await server.push("conversation.updated", { conversation: conversation({ lastSeq: 200 }) });
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, (url) => {
    const number = (name) => (url.searchParams.has(name) ? Number(url.searchParams.get(name)) : null);
    const limit = number("limit");
    const around = number("aroundSeq");
    const before = number("beforeSeq") ?? (around === null && number("afterSeq") === null ? 201 : null);
    const first = around !== null ? around - limit / 2 : before !== null ? before - limit : number("afterSeq") + 1;
    const seqs = Array.from({ length: limit }, (_, index) => first + index).filter((seq) => seq >= 1 && seq <= 200);
    return [200, { items: seqs.map((seq) => message(seq)), nextPage: null }];
  });
  const ends = () => [store.messages(TALK).items[0].seq, store.messages(TALK).items.at(-1).seq, store.messages(TALK).hasOlder, store.messages(TALK).hasNewer];
  await store.loadAround(TALK, 100);
  await store.loadOlder(TALK);
  await store.loadNewer(TALK);
  const [first, last, hasOlder] = ends();
  assert.deepEqual([first, last, hasOlder], [40, 159, true]);
});

test("a message that arrives while the first page is read follows that page", async () => {
  const { store, server, client } = await withStore();
  client.connect();
  await settled();
  await server.welcome();
  const loading = store.loadOlder(TALK);
  await server.push("message.new", { message: message(4), unread: { conversation: 1, total: 6 } });
  await loading;
  assert.deepEqual(contents(store), ["number 1", "number 2", "number 3", "number 4"]);
  assert.equal(store.messages(TALK).hasNewer, false);
});

test("what changes while a page is read changes that page, which may be older", async () => {
  const { store, server, client } = await withStore();
  client.connect();
  await settled();
  await server.welcome();
  const loading = store.loadOlder(TALK);
  await Promise.all([
    server.push("conversation.cleared", { conversationId: TALK, clearedSeq: 1 }),
    server.push("message.updated", { conversationId: TALK, seq: 2, content: "edited", editedAt: AT }),
    server.push("message.deleted", { conversationId: TALK, seq: 3, deletedAt: AT }),
  ]);
  await loading;
  assert.deepEqual(contents(store), ["edited", null]);
});

test("a read that failed leaves no changes to later ones", async () => {
  const { store, server, client } = await withStore();
  client.connect();
  await settled();
  await server.welcome();
  const path = `GET /chat/conversations/${TALK}/messages`;
  const answer = server.routes.get(path);
  server.routes.set(path, () => [404, { type: "error", error: { code: "conversation_not_found", message: "", retryable: false } }]);
  const failing = assert.rejects(store.loadOlder(TALK));
  await server.push("message.updated", { conversationId: TALK, seq: 2, content: "edited", editedAt: AT });
  await failing;
  server.routes.set(path, answer);
  await store.loadOlder(TALK);
  assert.equal(contents(store)[1], "number 2");
});

test("a page that was read before a partner was erased is dropped", async () => {
  const { store, server, client } = await withStore();
  client.connect();
  await settled();
  await server.welcome();
  const loading = store.loadOlder(TALK);
  await server.push("user.deleted", { userId: OTHER, conversationId: TALK });
  await loading;
  assert.deepEqual([contents(store), store.messages(TALK).isLoaded, store.messages(TALK).isLoading], [[], false, false]);
});

test("a conversation that another device archived meanwhile leaves the list", async () => {
  const { store, server, clock } = await open();
  assert.deepEqual(store.conversations.items.map(({ id }) => id), [TALK]);
  const archived = conversation({ me: { archived: true } });
  server.routes.set("GET /chat/conversations", (url) => [200, { items: url.searchParams.get("archived") ? [archived] : [], nextPage: null }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false });
  assert.deepEqual(store.conversations.items, []);
});

test("a new message after a jump into an old conversation makes the client read nothing in between", async () => {
  const { store, server, client } = await withStore();
  server.routes.set("GET /chat/conversations", () => [200, { items: [conversation({ lastSeq: 9_000 })], nextPage: null }]);
  client.connect();
  await settled();
  await server.welcome();
  const around = [200, { items: [message(1), message(2)], nextPage: null }];
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, (url) => (url.searchParams.has("aroundSeq") ? around : [404]));
  await store.loadAround(TALK, 1);
  const before = server.requests.length;
  await server.push("message.new", { message: message(9_001), unread: { conversation: 1, total: 6 } });
  assert.deepEqual([server.requests.length - before, store.messages(TALK).hasNewer], [0, true]);
});

test("snapshots stay the same object until something changes, and only listeners of the topic hear of it", async () => {
  const { store, server } = await open();
  const before = store.messages(TALK);
  assert.equal(store.messages(TALK), before);
  let heard = 0;
  const stop = store.subscribe(`messages:${TALK}`, () => heard++);
  await server.push("typing.start", { conversationId: TALK, userId: OTHER, expiresInMs: 3000 });
  assert.equal(store.messages(TALK), before);
  assert.deepEqual([heard, store.typing(TALK)], [0, [OTHER]]);
  await server.push("message.new", { message: message(4), unread: { conversation: 1, total: 6 } });
  assert.notEqual(store.messages(TALK), before);
  assert.equal(heard, 1);
  stop();
});

test("archived conversations leave the list, pinned ones lead it, cleared ones are gone until the next message", async () => {
  const { store, server } = await open();
  const other = "00000000-0000-4000-8000-0000000000c2";
  await server.push("conversation.updated", { conversation: conversation({ id: other, me: { pinned: true }, updatedAt: "2023-01-01T00:00:00.000Z" }) });
  assert.deepEqual(store.conversations.items.map(({ id }) => id), [other, TALK]);
  await server.push("conversation.updated", { conversation: conversation({ id: other, me: { archived: true } }) });
  await server.push("conversation.cleared", { conversationId: TALK, clearedSeq: 3 });
  assert.deepEqual(store.conversations.items, []);
  assert.deepEqual(store.messages(TALK).items, []);
  await server.push("message.new", { message: message(4), unread: { conversation: 1, total: 1 } });
  assert.deepEqual(store.conversations.items.map(({ id }) => id), [TALK]);
});

test("the total of unread messages follows a conversation that is cleared, or whose old messages expire", async () => {
  const { store, server } = await open();
  let total = 2;
  server.routes.set("GET /chat/unread", () => [200, { total, conversations: {} }]);
  await server.push("conversation.cleared", { conversationId: TALK, clearedSeq: 3 });
  await settled();
  assert.equal(store.conversations.unread, 2);
  total = 1;
  await server.push("conversation.updated", { conversation: conversation({ unread: 1 }) });
  await settled();
  assert.equal(store.conversations.unread, 1);
});

test("history begins where the server's does, or after what the user cleared", async () => {
  const { store, server } = await open();
  await server.push("conversation.updated", { conversation: conversation({ lastSeq: 9, firstSeq: 4, me: { clearedSeq: 5 } }) });
  const page = (first, last) => () => [200, { items: [...Array(last - first + 1).keys()].map((place) => message(first + place)), nextPage: null }];
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, page(7, 9));
  await store.loadAround(TALK, 8);
  assert.equal(store.messages(TALK).hasOlder, true);
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, page(6, 6));
  await store.loadOlder(TALK);
  assert.equal(store.messages(TALK).hasOlder, false);
});

test("a page that is opened again shows what was kept and resumes from its cursor", async () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
  const first = await open({}, { storage });
  await first.server.push("message.new", { message: message(4), unread: { conversation: 1, total: 6 } }, { cursor: "c4" });
  // One that waits for a message before it: the cursor must not pass it.
  first.server.routes.delete(`GET /chat/conversations/${TALK}/messages`);
  await first.server.push("message.new", { message: message(6), unread: { conversation: 2, total: 7 } }, { cursor: "c6" });
  await first.store.close();
  const { client, store, server } = await withStore({}, { storage });
  assert.equal(await store.load(), true);
  assert.deepEqual(contents(store), ["number 1", "number 2", "number 3", "number 4"]);
  client.connect();
  await settled();
  assert.match(server.socket.url, /cursor=c4$/);
  await server.welcome({ recovered: true });
  await server.push("message.new", { message: message(5), unread: { conversation: 2, total: 7 } }, { cursor: "c5" });
  assert.equal(contents(store).at(-1), "number 5");
});

test("another user's kept messages are dropped", async () => {
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
  const first = await open({}, { storage });
  await first.store.close();
  const { client, store, server } = await withStore({}, { storage });
  server.routes.set("GET /chat/conversations", () => [200, { items: [], nextPage: null }]);
  await store.load();
  client.connect();
  await settled();
  await server.welcome({ userId: "00000000-0000-4000-8000-00000000000f", recovered: false });
  assert.deepEqual([store.conversations.items, store.messages(TALK).items], [[], []]);
});

test("when a partner is erased, their profile and messages are read again", async () => {
  const { store, server } = await open();
  const gone = { ...message(3), content: null, deletedAt: AT };
  const erased = conversation({ lastMessage: gone });
  erased.participants[1] = { ...erased.participants[1], displayName: "deleted user" };
  server.routes.set(`GET /chat/conversations/${TALK}`, () => [200, erased]);
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, () => [200, { items: [gone], nextPage: null }]);
  await server.push("user.deleted", { userId: OTHER, conversationId: TALK });
  assert.deepEqual([contents(store), store.messages(TALK).isLoaded], [[], false]);
  await store.loadOlder(TALK);
  assert.deepEqual(contents(store), [null]);
  const [{ lastMessage, participants }] = store.conversations.items;
  assert.deepEqual([lastMessage.content, participants[1].displayName], [null, "deleted user"]);
});

test("a jump does not wait for the page that is being read, which is dropped", async () => {
  const { store, server } = await open();
  await server.push("conversation.updated", { conversation: conversation({ lastSeq: 90 }) });
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, (url) => {
    const first = Number(url.searchParams.get("aroundSeq") ?? Number(url.searchParams.get("beforeSeq")) - 2);
    return [200, { items: [message(first), message(first + 1)], nextPage: null }];
  });
  await store.loadAround(TALK, 50);
  await Promise.all([store.loadOlder(TALK), store.loadAround(TALK, 70)]);
  assert.deepEqual(contents(store), ["number 70", "number 71"]);
  assert.equal(store.messages(TALK).isLoading, false);
});

test("what another program keeps under the cache's key is left alone", async () => {
  for (const foreign of ['{"theme": "dark"}', "[]", '{"conversations": []}']) {
    const storage = { getItem: () => foreign, setItem: () => {}, removeItem: () => {} };
    const { store } = await withStore({}, { storage });
    assert.equal(await store.load(), false);
  }
});
