/**
 * Two clients against a running development stack (`CHAT_URL`), while whoever started this test takes gateways away.
 * Skipped without a stack. `CHAT_USERS` names the two users, `CHAT_MESSAGES` how many messages each sends, and
 * `CHAT_PACE_MS` how long they wait after each.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ChatClient } from "../src/index.js";
import { NodeWebSocket } from "../testkit/websocket.js";

const { CHAT_URL: url, CHAT_USERS: users, CHAT_MESSAGES: count = "10", CHAT_PACE_MS: pace = "0" } = process.env;
const skip = url ? false : "CHAT_URL is not set";
const names = users?.split(",") ?? ["alice", "bob"].map((name) => `${name}-${randomUUID().slice(0, 8)}`);
const clients = [];
const WebSocket = globalThis.WebSocket ?? NodeWebSocket;
const PATIENCE_MS = 20_000;

after(() => clients.forEach((client) => client.close()));

async function login(username) {
  const answer = await fetch(`${url}/dev/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username }),
  });
  assert.equal(answer.status, 200, `no development login: ${answer.status}`);
  return (await answer.json()).token;
}

/** A connected client and what its listeners have heard, in order. */
async function join(username) {
  const client = new ChatClient({ url, getToken: () => login(username), WebSocket });
  const person = { client, username, shown: [], read: 0, delivered: 0, connections: 0, sources: new Set() };
  clients.push(client);
  const show = ({ message }, { source }) => {
    person.shown.push(message);
    person.sources.add(source);
  };
  client.on("message.new", (payload, meta) => {
    show(payload, meta);
    client.markRead(payload.message.conversationId, payload.message.seq);
  });
  client.on("message.sent", show);
  client.on("message.read_update", ({ seq }) => (person.read = Math.max(person.read, seq)));
  client.on("message.delivered_update", ({ seq }) => (person.delivered = Math.max(person.delivered, seq)));
  client.on("connection.success", () => person.connections++);
  const open = next(client, "synced");
  client.connect();
  await open;
  return person;
}

/** The next event of a type that `fits`; fails after a while, so that a missing one is named. */
function next(client, type, fits = () => true) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${type} in ${PATIENCE_MS} ms`)), PATIENCE_MS);
    const stop = client.on(type, (payload) => {
      if (!fits(payload)) return;
      stop();
      clearTimeout(late);
      resolve(payload);
    });
  });
}

/** Resolves when `condition` holds. */
async function until(condition, what) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    if (condition()) return;
    await sleep(50);
  }
  assert.fail(`not in ${PATIENCE_MS} ms: ${what()}`);
}

test("two people talk through whatever happens: nothing lost, nothing twice, all in order", { skip }, async () => {
  const [alice, bob] = await Promise.all(names.map(join));
  const { id } = await alice.client.rest.openConversation({ username: bob.username });
  alice.client.track(id, 0);
  bob.client.track(id, 0);

  const talk = async ({ client, username }) => {
    for (let number = 1; number <= Number(count); number++) {
      await client.send({ conversationId: id, content: `${username} ${number}` }).sent;
      await sleep(Number(pace));
    }
  };
  await Promise.all([talk(alice), talk(bob)]);

  const total = 2 * Number(count);
  const progress = () => `${alice.shown.length} and ${bob.shown.length} of ${total}`;
  await until(() => alice.shown.length >= total && bob.shown.length >= total, progress);
  const expected = Array.from({ length: total }, (_, index) => index + 1);
  for (const { shown, username } of [alice, bob]) {
    assert.deepEqual(shown.map(({ seq }) => seq), expected, `${username} saw other seqs`);
    for (const name of names) {
      const said = shown.map(({ content }) => content).filter((content) => content.startsWith(`${name} `));
      assert.deepEqual(said, Array.from({ length: Number(count) }, (_, index) => `${name} ${index + 1}`));
    }
  }
  const stored = [];
  while (stored.length < total) stored.push(...(await bob.client.rest.messages(id, { afterSeq: stored.length, limit: 100 })));
  assert.deepEqual(stored.map(({ id: one }) => one), alice.shown.map(({ id: one }) => one));
  console.log(`connections: ${alice.connections} and ${bob.connections}`);
  console.log(`messages came: ${[...new Set([...alice.sources, ...bob.sources])].join(" and ")}`);
});

test("receipts arrive in the end", { skip }, async () => {
  const [alice, bob] = clients.slice(-2);
  const { id } = await alice.rest.openConversation({ username: names[1] });
  let readTo = 0;
  const stop = alice.on("message.read_update", (update) => {
    readTo = Math.max(readTo, update.seq);
  });
  const { sent } = alice.send({ conversationId: id, content: "read this" });
  const { seq } = await sent;
  await until(() => readTo >= seq, () => `read up to ${readTo} of ${seq}`);
  stop();
  await until(() => bob.pending === 0, () => `${bob.pending} pending`);
  const [message] = await alice.rest.messages(id, { afterSeq: seq - 1 });
  assert.equal(message.isRead, true);
  assert.ok(message.deliveredAt);
});

test("messages that a muted, archived conversation got are read when the server can't resume", { skip }, async () => {
  const [alice, bob] = clients.slice(-2);
  const { id, lastSeq } = await bob.rest.openConversation({ username: names[0] });
  await bob.rest.updateConversation(id, { archived: true, mutedUntil: "2099-01-01T00:00:00.000Z" });
  const { seq } = await alice.send({ conversationId: id, content: "are you there?" }).sent;
  const later = new ChatClient({ url, getToken: () => login(names[1]), WebSocket });
  clients.unshift(later);
  const shown = [];
  later.on("message.new", ({ message }) => shown.push(message.seq));
  later.resumeFrom("1-1", bob.userId, new Map([[id, lastSeq]])); // a cursor of which the server knows nothing
  const synced = next(later, "synced");
  later.connect();
  await synced;
  assert.deepEqual(shown, [seq]);
  const { me } = await bob.rest.updateConversation(id, { archived: false, mutedUntil: null });
  assert.equal(me.archived, false);
});

test("friends see each other come and go, and typing shows", { skip }, async () => {
  const [alice, bob] = clients.slice(-2);
  await Promise.all([alice.rest.follow(names[1]), bob.rest.follow(names[0])]);
  const { id } = await alice.rest.openConversation({ username: names[1] });
  const busy = next(alice, "presence", ({ status }) => status === "busy");
  bob.setStatus("busy");
  assert.equal((await busy).userId, bob.userId);
  const typing = next(alice, "typing.start");
  bob.typing(id);
  assert.deepEqual((await typing).userId, bob.userId);
  await next(alice, "typing.stop");
});

test("a block refuses messages until it is lifted", { skip }, async () => {
  const [alice, bob] = clients.slice(-2);
  const { id } = await alice.rest.openConversation({ username: names[1] });
  assert.equal((await bob.block(names[0])).username, names[0]);
  await assert.rejects(alice.send({ conversationId: id, content: "hello?" }).sent, { code: "blocked" });
  assert.deepEqual((await bob.rest.blocks()).map(({ username }) => username), [names[0]]);
  await bob.unblock(names[0]);
  assert.ok((await alice.send({ conversationId: id, content: "hello again" }).sent).seq > 0);
  await assert.rejects(bob.block("nobody-of-this-name"), { code: "user_not_found" });
});
