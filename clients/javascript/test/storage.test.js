import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileStorage } from "../src/node.js";
import { StoredValue } from "../src/storage.js";
import { settled } from "../testkit/clock.js";
import { connected, setUp } from "../testkit/fixture.js";
import { ME, TALK, message } from "../testkit/server.js";

/** Storage in memory, whose writes take as long as the test says. */
function slowStorage() {
  const items = new Map();
  const held = [];
  return {
    items,
    release: async () => (held.splice(0).forEach((resume) => resume()), settled()),
    getItem: async (key) => items.get(key) ?? null,
    setItem: (key, value) => new Promise((resolve) => held.push(() => resolve(items.set(key, value)))),
    removeItem: async (key) => void items.delete(key),
  };
}

function storage() {
  const items = new Map();
  return { items, getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
}

test("a message leaves only after it is stored", async () => {
  const kept = slowStorage();
  const { client, server } = await connected({ storage: kept });
  client.send({ conversationId: TALK, content: "hello" });
  await settled();
  assert.equal(server.sent("message.send").length, 0);
  await kept.release();
  assert.equal(server.sent("message.send").length, 1);
});

test("what a page left unsent goes from the next one, once, with the same tempId and before newer messages", async () => {
  const kept = storage();
  const first = await connected({ storage: kept });
  const { tempId } = first.client.send({ conversationId: TALK, content: "one" });
  first.client.send({ conversationId: TALK, content: "two" });
  await settled();
  // The page is gone without a word. The next one sends before it is connected.
  const { client, server } = setUp({ storage: kept });
  client.send({ conversationId: TALK, content: "three" });
  client.connect();
  await settled();
  await server.welcome();
  await settled();
  const contents = [];
  for (let seq = 1; seq <= 3; seq++) {
    const draft = server.sent("message.send").at(-1);
    contents.push(draft.content);
    await server.push("message.sent", { tempId: draft.tempId, message: message(seq, { senderId: ME }) });
    await settled();
  }
  assert.equal(server.sent("message.send")[0].tempId, tempId);
  assert.deepEqual(contents, ["one", "two", "three"]);
  assert.deepEqual([client.pending, kept.items.size], [0, 0]);
});

test("another user's messages are not sent", async () => {
  const kept = storage();
  const first = await connected({ storage: kept });
  first.client.send({ conversationId: TALK, content: "private" });
  await settled();
  const { server } = await connected({ storage: kept }, { userId: "00000000-0000-4000-8000-00000000000f" });
  await settled();
  assert.equal(server.sent("message.send").length, 0);
});

test("closing leaves what waits for the next client", async () => {
  const kept = storage();
  const first = await connected({ storage: kept });
  first.client.send({ conversationId: TALK, content: "later" }).sent.catch(() => {});
  await settled();
  first.client.close();
  await settled();
  const { server } = await connected({ storage: kept });
  await settled();
  assert.equal(server.sent("message.send").length, 1);
});

test("a storage that is full or broken keeps nobody from sending", async () => {
  const broken = { getItem: () => "no json", setItem: () => Promise.reject(new Error("quota")), removeItem: () => Promise.reject(new Error("quota")) };
  const { client, server } = await connected({ storage: broken });
  const { tempId, sent } = client.send({ conversationId: TALK, content: "hello" });
  await settled();
  await server.push("message.sent", { tempId, message: message(1, { senderId: ME }) });
  assert.equal((await sent).seq, 1);
});

test("what another program keeps under the key is left alone, and keeps nobody from sending", async () => {
  for (const foreign of ['{"version": 2}', '"text"', "[]", '{"drafts": {}}']) {
    const kept = storage();
    kept.items.set("chat.outbox", foreign);
    const { client, server } = await connected({ storage: kept });
    client.send({ conversationId: TALK, content: "hello" }).sent.catch(() => {});
    await settled();
    assert.equal(server.sent("message.send").length, 1, foreign);
    client.close();
  }
});

test("of writes that wait, the newest alone is written", async () => {
  const written = [];
  const value = new StoredValue({ getItem: () => null, setItem: async (_, text) => void written.push(text), removeItem: () => {} }, "key");
  await Promise.all([1, 2, 3].map((number) => value.write(number)));
  assert.deepEqual(written, ["3"]);
});

test("a file keeps a value for the next process", async () => {
  const folder = await mkdtemp(join(tmpdir(), "chat-"));
  try {
    await fileStorage(join(folder, "new")).setItem("a/b", "value");
    assert.equal(await fileStorage(join(folder, "new")).getItem("a/b"), "value");
    await fileStorage(join(folder, "new")).removeItem("a/b");
    assert.equal(await fileStorage(join(folder, "new")).getItem("a/b"), null);
  } finally {
    await rm(folder, { recursive: true });
  }
});
