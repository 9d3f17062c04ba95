import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../testkit/clock.js";
import { connected, setUp } from "../testkit/fixture.js";
import { ME, OTHER, TALK, message } from "../testkit/server.js";

const seqs = (payloads) => payloads.map((payload) => payload.message.seq);

test("a message is stored once: same tempId over a reconnect, then the promise gives it", async () => {
  const { client, server, clock, of } = await connected();
  const { tempId, sent } = client.send({ conversationId: TALK, content: "hello" });
  assert.deepEqual(server.sent("message.send"), [{ conversationId: TALK, content: "hello", type: "text", tempId }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.equal(server.sent("message.send")[0].tempId, tempId);
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) }, { cursor: "c1" });
  assert.equal((await sent).seq, 1);
  assert.equal(client.pending, 0);
  assert.equal(of("message.sent").length, 1);
});

test("what is sent without a connection goes when there is one", async () => {
  const { client, server, clock } = setUp();
  client.send({ conversationId: TALK, content: "early" });
  client.connect();
  await clock.advance(0);
  await server.welcome();
  assert.equal(server.sent("message.send").length, 1);
});

test("a refused message fails with the server's code", async () => {
  const { client, server, of } = await connected();
  const { tempId, sent } = client.send({ conversationId: TALK, content: "hello" });
  await server.error("blocked", { retryable: false }, { type: "message.send", tempId, conversationId: TALK });
  await assert.rejects(sent, { code: "blocked" });
  assert.equal(of("message.failed")[0].draft.tempId, tempId);
});

test("drafts that the server would refuse are refused here", async () => {
  const { client } = await connected({}, { maxMessageBytes: 600 });
  const bad = [{}, { content: " \n" }, { content: "\u200b\u2800\u3164\ufe0f" }, { type: "custom", content: "x" }, { content: "x".repeat(4001) }, { content: "\ud800" }, { content: "a\0b" }];
  bad.push({ content: "x", conversationId: undefined }, { content: "x", conversationId: "talk" });
  bad.push({ content: "x", tempId: "" }, { content: "x", tempId: "x".repeat(65) }, { content: "x", tempId: "\ud800" });
  for (const draft of bad) assert.throws(() => client.send({ conversationId: TALK, ...draft }), { code: "validation_error" });
  assert.throws(() => client.send({ conversationId: TALK, content: "ก".repeat(200) }), /600 bytes/);
  assert.ok(client.send({ conversationId: TALK, content: "👋🏽" }).tempId);
});

test("repeated messages are shown once", async () => {
  const { server, of } = await connected();
  for (const seq of [1, 2, 2, 1, 3]) await server.push("message.new", { message: message(seq) });
  assert.deepEqual(seqs(of("message.new")), [1, 2, 3]);
});

test("a gap is read over REST before what came after it is shown", async () => {
  const { server, events, of } = await connected();
  server.history(6);
  for (const seq of [2, 6]) await server.push("message.new", { message: message(seq) });
  assert.deepEqual(seqs(of("message.new")), [2, 3, 4, 5, 6]);
  const sources = events.filter(({ type }) => type === "message.new").map(({ meta }) => meta.source);
  assert.deepEqual(sources, ["live", "rest", "rest", "rest", "live"]);
});

test("a gap that can't be filled is told, and newer messages go on", async () => {
  const { server, of } = await connected();
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, () => [404, { error: { code: "conversation_not_found", message: "" } }]);
  for (const seq of [1, 4, 5]) await server.push("message.new", { message: message(seq) });
  assert.deepEqual(of("lost"), [{ conversationId: TALK, afterSeq: 1, beforeSeq: 4 }]);
  assert.deepEqual(seqs(of("message.new")), [1, 4, 5]);
});

test("a gap is tried again while the service is away", async () => {
  const { server, clock, of } = await connected();
  for (const seq of [1, 3]) await server.push("message.new", { message: message(seq) });
  await clock.advance(600);
  assert.deepEqual(seqs(of("message.new")), [1]);
  server.history(3);
  await clock.advance(60_000);
  assert.deepEqual(seqs(of("message.new")), [1, 2, 3]);
  assert.deepEqual(of("lost"), []);
});

test("recovered: false reads what is missing of the known conversations, page by page", async () => {
  const { client, server, clock, of } = await connected();
  client.track(TALK, 20);
  server.history(250);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false, cursor: "new" });
  assert.deepEqual(seqs(of("message.new")), Array.from({ length: 230 }, (_, index) => index + 21));
  assert.deepEqual(of("synced").at(-1).conversations.map(({ id }) => id), [TALK]);
});

test("recovered: false reads archived conversations too: a message leaves a muted one archived", async () => {
  const { client, server, clock, of } = await connected();
  client.track(TALK, 2);
  server.history(4);
  const archived = { id: TALK, lastSeq: 4, unread: 2, me: { archived: true } };
  server.routes.set("GET /chat/conversations", (url) => [200, { items: url.searchParams.get("archived") ? [archived] : [], nextPage: null }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false, cursor: "new" });
  assert.deepEqual(seqs(of("message.new")), [3, 4]);
  assert.deepEqual([of("synced").at(-1).conversations, of("synced").at(-1).archived], [[], [archived]]);
});

test("the cursor that the application may keep waits for the resync", async () => {
  const { client, server, clock } = await connected({}, { cursor: "old" });
  client.track(TALK, 0);
  assert.equal(client.cursor, "old");
  server.history(3);
  const list = server.routes.get("GET /chat/conversations");
  server.routes.delete("GET /chat/conversations");
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false, cursor: "new" });
  await server.push("message.new", { message: message(4) }, { cursor: "newer" });
  assert.equal(client.cursor, "old");
  server.routes.set("GET /chat/conversations", list);
  const kept = [];
  client.on("synced", () => kept.push(client.cursor));
  await clock.advance(60_000);
  assert.deepEqual([kept, client.cursor], [["newer"], "newer"]);
});

test("a resync that a close broke off goes on with the next connection, although that one is resumed", async () => {
  const { client, server, clock, of } = await connected();
  client.track(TALK, 0);
  server.routes.delete("GET /chat/conversations");
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false, cursor: "new" });
  client.close();
  server.history(3);
  client.connect();
  await clock.advance(1000);
  await server.welcome({ recovered: true, cursor: "new" });
  assert.deepEqual(seqs(of("message.new")), [1, 2, 3]);
  assert.equal(client.cursor, "new");
});

test("a gap that a close left open is filled on the next connection", async () => {
  const { client, server, clock, of } = await connected();
  for (const seq of [1, 3]) await server.push("message.new", { message: message(seq) });
  client.close();
  server.history(3);
  client.connect();
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.deepEqual(seqs(of("message.new")), [1, 2, 3]);
});

test("recovered: true asks for nothing", async () => {
  const { client, server, clock } = await connected();
  client.track(TALK, 20);
  server.history(250);
  await server.close(1006);
  const before = server.requests.length;
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.equal(server.requests.length, before);
});

test("an own message that REST brought first is shown once, and its promise still resolves", async () => {
  const { client, server, clock, of } = await connected();
  client.track(TALK, 0);
  const { tempId, sent } = client.send({ conversationId: TALK, content: "hello" });
  await server.close(1006);
  await clock.advance(1000);
  const own = message(1, { senderId: ME });
  server.routes.set("GET /chat/conversations", () => [200, { items: [{ id: TALK, lastSeq: 1 }], nextPage: null }]);
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, () => [200, { items: [own], nextPage: null }]);
  await server.welcome({ recovered: false });
  await server.push("message.sent", { tempId, message: own });
  assert.deepEqual(of("message.sent").map((payload) => payload.tempId), [null]);
  assert.equal((await sent).id, own.id);
});

test("REST calls renew a refused token once", async () => {
  const { client, server, asked } = setUp();
  const answers = [[401, { error: { code: "unauthorized", message: "" } }], [200, { total: 0, conversations: {} }]];
  server.routes.set("GET /chat/unread", () => answers.shift());
  assert.deepEqual(await client.rest.unread(), { total: 0, conversations: {} });
  assert.deepEqual(asked, [{ renew: false }, { renew: true }]);
});

test("a REST call that gets no answer goes once more", async () => {
  const { client, server, clock } = setUp();
  const unread = client.rest.unread();
  await clock.advance(0);
  server.routes.set("GET /chat/unread", () => [200, { total: 3, conversations: {} }]);
  await clock.advance(1000);
  assert.equal((await unread).total, 3);
  assert.equal(server.requests.length, 2);
});

test("REST failures carry the server's code and Retry-After", async () => {
  const { client, server, clock } = setUp();
  const error = { code: "rate_limit_exceeded", message: "Too many requests" };
  server.routes.set("GET /chat/users/me", () => [429, { type: "error", error }, { "Retry-After": "3" }]);
  await assert.rejects(client.rest.me(), { code: "rate_limit_exceeded", status: 429, retryAfter: 3, retryable: true });
  const unanswered = assert.rejects(client.rest.unread(), { code: "network", retryable: true });
  await clock.advance(1000);
  await unanswered;
});

test("presence is remembered and a friend that is gone from the list is forgotten", async () => {
  const { client, server, clock, of } = await connected();
  const online = { userId: OTHER, isOnline: true, status: "online", lastSeen: null };
  await server.push("status.bulk", { users: [online] });
  await server.push("user.status", { ...online, status: "busy" });
  assert.equal(client.presence.get(OTHER).status, "busy");
  assert.deepEqual(of("presence").map(({ status }) => status), ["online", "busy"]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.equal(client.presence.get(OTHER).isOnline, false);
});

test("the own status is set again after a reconnect", async () => {
  const { client, server, clock } = await connected();
  client.setStatus("busy");
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome();
  assert.deepEqual(server.sent("presence.set"), [{ status: "busy" }]);
});

test("a block is asked again after a reconnect, and its error rejects", async () => {
  const { client, server, clock } = await connected();
  const blocked = client.block("spammer");
  const unknown = client.block("nobody");
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome();
  assert.deepEqual(server.sent("block.add"), [{ username: "spammer" }]);
  await server.push("block.added", { username: "spammer", blockedAt: "2024-01-01T11:00:00.000Z" });
  assert.equal((await blocked).username, "spammer");
  const refused = assert.rejects(unknown, { code: "user_not_found" });
  await server.error("user_not_found", {}, { type: "block.add" });
  await refused;
});

test("events and frames that are unknown change nothing", async () => {
  const { client, server } = await connected();
  await server.push("message.sparkled", { glitter: true });
  server.socket.onmessage({ data: "not json" });
  server.socket.onmessage({ data: new ArrayBuffer(4) });
  assert.equal(client.state, "open");
});

test("five calls that are refused together ask for one new token", async () => {
  const { client, server, asked } = setUp();
  server.routes.set("GET /chat/unread", (_, __, headers) =>
    headers.Authorization === "Bearer token-1" ? [401, { error: { code: "unauthorized", message: "" } }] : [200, { total: 0, conversations: {} }],
  );
  await Promise.all(Array.from({ length: 5 }, () => client.rest.unread()));
  assert.deepEqual(asked, [{ renew: false }, { renew: true }]);
});

test("a resync whose answers break off in the middle goes on until it has a whole one", async () => {
  const { server } = setUp();
  let broken = 3;
  const fetch = async (...given) => {
    const answer = await server.fetch(...given);
    if (broken-- > 0) answer.text = () => Promise.reject(new TypeError("terminated"));
    return answer;
  };
  const { client, clock, of } = setUp({ fetch, WebSocket: server.WebSocket });
  client.connect();
  await settled();
  await server.welcome();
  await clock.advance(10_000);
  assert.equal(of("synced").length, 1);
});

test("ids in upper case are those of the server in lower case", async () => {
  const { client, server, clock } = await connected();
  const { tempId, sent } = client.send({ conversationId: TALK.toUpperCase(), content: "hello" });
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) });
  assert.equal((await sent).seq, 1);
  client.markRead(TALK.toUpperCase(), 1);
  await clock.advance(1_000);
  assert.equal(server.sent("message.read")[0].conversationId, TALK);
});

test("a send without an answer makes the client look whether the connection works", async () => {
  const { client, server, clock } = await connected();
  client.send({ conversationId: TALK, content: "hello" }).sent.catch(() => {});
  await clock.advance(4_000);
  assert.equal(server.sent("ping").length, 1);
  client.close();
});

test("an error frame is a ChatError, with the request that failed beside it", async () => {
  const { client, server } = await connected();
  const seen = [];
  client.on("error", (error, meta) => seen.push({ error, meta }));
  await server.error("rate_limit_exceeded", { retryable: true, retryAfter: 2 }, { type: "typing.start", conversationId: TALK });
  assert.equal(seen[0].error.retryAfter, 2);
  assert.deepEqual(seen[0].meta, { source: "live", ref: { type: "typing.start", conversationId: TALK } });
});

test("a resync of thousands of conversations reads what changed, not all", async () => {
  const { client, server, clock, of } = await connected();
  client.track(TALK, 0);
  const at = (second) => new Date(Date.UTC(2024, 0, 1, 0, 0, second)).toISOString();
  const all = Array.from({ length: 3_000 }, (_, index) => ({ id: `c${index}`, lastSeq: 1, unread: 0, updatedAt: at(3_000 - index) }));
  server.routes.set("GET /chat/conversations", (url) => {
    if (url.searchParams.get("archived")) return [200, { items: [], nextPage: null }];
    const from = Number(url.searchParams.get("page") ?? 0);
    const limit = Number(url.searchParams.get("limit"));
    return [200, { items: all.slice(from, from + limit), nextPage: from + limit < all.length ? String(from + limit) : null }];
  });
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, () => [200, { items: [], nextPage: null }]);
  const resync = async () => {
    await server.close(1006);
    await clock.advance(5_000);
    const before = server.requests.length;
    await server.welcome({ recovered: false });
    for (let turn = 0; turn < 40; turn++) await settled();
    const lists = server.requests.slice(before).filter(({ path }) => path === "/chat/conversations");
    return [false, true].map((archived) => lists.filter(({ query }) => query.has("archived") === archived).length);
  };
  assert.deepEqual(await resync(), [5, 1]);
  assert.equal(of("synced").at(-1).nextPage, "500");
  assert.deepEqual(await resync(), [1, 1]);
  const ids = [];
  for await (const { id } of client.rest.eachConversation()) if (ids.push(id) === 150) break;
  assert.deepEqual([ids[0], ids[149]], ["c0", "c149"]);
});

test("an edit is sent until it is answered, and survives a reconnect and a rate limit", async () => {
  const { client, server, clock } = await connected();
  const edited = client.edit(TALK.toUpperCase(), 3, "better");
  const [{ tempId }] = server.sent("message.edit");
  assert.deepEqual(server.sent("message.edit"), [{ conversationId: TALK, seq: 3, content: "better", tempId }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.equal(server.sent("message.edit")[0].tempId, tempId);
  await server.error("rate_limit_exceeded", { retryable: true, retryAfter: 2 }, { type: "message.edit", tempId, conversationId: TALK });
  await clock.advance(5_000);
  assert.equal(server.sent("message.edit").length, 2);
  await server.push("message.updated", { conversationId: TALK, seq: 3, content: "another", editedAt: "2024-01-01T11:00:00.000Z", tempId: "other" });
  await server.push("message.updated", { conversationId: TALK, seq: 3, content: "better", editedAt: "2024-01-01T11:00:01.000Z", tempId });
  assert.equal((await edited).content, "better");
});

test("deletions and reactions are answered by their events, refusals reject", async () => {
  const { client, server } = await connected();
  const deleted = client.deleteMessage(TALK, 1);
  const reacted = client.addReaction(TALK, 2, "👍");
  const removed = client.removeReaction(TALK, 2, "👍");
  const foreign = client.deleteMessage(TALK, 9);
  const [{ tempId }] = server.sent("message.delete");
  await server.push("message.deleted", { conversationId: TALK, seq: 1, deletedAt: "2024-01-01T11:00:00.000Z", tempId });
  assert.equal((await deleted).seq, 1);
  const reaction = { conversationId: TALK, seq: 2, emoji: "👍", at: "2024-01-01T11:00:00.000Z" };
  await server.push("reaction.updated", { ...reaction, userId: OTHER, active: true });
  await server.push("reaction.updated", { ...reaction, userId: ME, active: true });
  await server.push("reaction.updated", { ...reaction, userId: ME, active: false });
  assert.deepEqual([(await reacted).active, (await removed).active], [true, false]);
  const refused = assert.rejects(foreign, { code: "not_allowed" });
  await server.error("not_allowed", {}, { type: "message.delete", conversationId: TALK });
  await refused;
});

test("that the app is in the background is said again after a reconnect", async () => {
  const { client, server, clock } = await connected();
  client.setActive(false);
  assert.deepEqual(server.sent("client.state"), [{ active: false }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: true });
  assert.deepEqual(server.sent("client.state"), [{ active: false }]);
});

test("the page of a captive portal is no answer: gaps are filled once the service answers again", async () => {
  const { client, server, clock, of } = await connected();
  server.routes.set("GET /chat/users/me", () => [200, "<html>Log in to the hotel's network</html>"]);
  await assert.rejects(client.rest.me(), { name: "ChatError", code: "network", retryable: true });
  server.routes.set(`GET /chat/conversations/${TALK}/messages`, () => [200, "<html>"]);
  for (const seq of [1, 3]) await server.push("message.new", { message: message(seq) });
  server.history(3);
  await clock.advance(1_000);
  assert.deepEqual(seqs(of("message.new")), [1, 2, 3]);
  assert.deepEqual(of("lost"), []);
  client.close();
});

test("requests that wait for a connection are bounded", async () => {
  const { client } = setUp({ outboxLimit: 2 });
  const waiting = ["a", "b"].map((name) => assert.rejects(client.block(name), { code: "closed" }));
  await assert.rejects(client.block("c"), { code: "outbox_full" });
  client.close();
  await Promise.all(waiting);
});

test("a block is answered although the server spells the name differently", async () => {
  const { client, server } = await connected();
  const blocked = client.block("STRASSE");
  await server.push("block.added", { username: "Jemand", blockedAt: "2024-01-01T11:00:00.000Z" });
  await server.push("block.added", { username: "Straße", blockedAt: "2024-01-01T12:00:00.000Z" });
  assert.equal((await blocked).blockedAt, "2024-01-01T12:00:00.000Z");
  client.close();
});
