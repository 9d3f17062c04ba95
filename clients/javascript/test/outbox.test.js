import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatError } from "../src/errors.js";
import { Outbox } from "../src/outbox.js";
import { FakeClock } from "../testkit/clock.js";
import { TALK, message } from "../testkit/server.js";

function setUp({ limit = 10 } = {}) {
  const clock = new FakeClock();
  const line = { open: true, sent: [] };
  const transmit = (draft) => line.open && line.sent.push(draft.tempId) > 0;
  const outbox = new Outbox({ clock, transmit, limit });
  const add = (tempId, conversationId = TALK) => {
    const stored = outbox.add({ conversationId, content: tempId, tempId });
    stored.catch(() => {});
    return stored;
  };
  return { clock, line, outbox, add };
}

const busy = (retryAfter) => new ChatError("rate_limit_exceeded", "Too many messages", { retryable: true, retryAfter });

test("one message of a conversation is in flight at a time", async () => {
  const { line, outbox, add } = setUp();
  const first = add("one");
  add("two");
  add("other", "another-conversation");
  assert.deepEqual(line.sent, ["one", "other"]);
  outbox.settle("one", message(1));
  assert.deepEqual(line.sent, ["one", "other", "two"]);
  assert.equal((await first).seq, 1);
});

test("a lost connection sends again what was in flight, with the same tempId", () => {
  const { line, outbox, add } = setUp();
  add("one");
  line.open = false;
  outbox.suspend();
  add("two");
  line.open = true;
  outbox.resume();
  assert.deepEqual(line.sent, ["one", "one"]);
});

test("no answer in 15 s sends again", async () => {
  const { clock, line, add } = setUp();
  add("one");
  await clock.advance(14_999);
  assert.equal(line.sent.length, 1);
  await clock.advance(1);
  assert.deepEqual(line.sent, ["one", "one"]);
});

test("a rate limit holds all conversations for retryAfter, and order stays", async () => {
  const { clock, line, outbox, add } = setUp();
  clock.luck = 0;
  add("one");
  add("two");
  outbox.refuse(TALK, "one", busy(3));
  add("three");
  add("other", "another-conversation");
  await clock.advance(2_999);
  assert.deepEqual(line.sent, ["one"]);
  await clock.advance(1);
  assert.deepEqual(line.sent, ["one", "one", "other"]);
});

test("a temporary failure is tried again after a growing delay", async () => {
  const { clock, line, outbox, add } = setUp();
  const failed = new ChatError("send_failed", "unknown outcome", { retryable: true });
  add("one");
  outbox.refuse(TALK, "one", failed);
  await clock.advance(500);
  assert.equal(line.sent.length, 2);
  outbox.refuse(TALK, "one", failed);
  await clock.advance(999);
  assert.equal(line.sent.length, 2);
  await clock.advance(1);
  assert.equal(line.sent.length, 3);
});

test("a final refusal rejects that message and lets the next one go", async () => {
  const { line, outbox, add } = setUp();
  const first = add("one");
  add("two");
  outbox.refuse(TALK, "one", new ChatError("blocked", "You cannot send messages to this user"));
  await assert.rejects(first, { code: "blocked" });
  assert.deepEqual(line.sent, ["one", "two"]);
});

test("it is bounded, and refuses a tempId twice", () => {
  const { add } = setUp({ limit: 2 });
  add("one");
  assert.throws(() => add("one"), { code: "duplicate_temp_id" });
  add("two");
  assert.throws(() => add("three"), { code: "outbox_full" });
});

test("a discarded message is gone, the others go on", async () => {
  const { line, outbox, add } = setUp();
  line.open = false;
  const first = add("one");
  add("two");
  assert.equal(outbox.discard("one"), true);
  assert.equal(outbox.discard("one"), false);
  await assert.rejects(first, { code: "discarded" });
  line.open = true;
  outbox.resume();
  assert.deepEqual(line.sent, ["two"]);
});

test("after a frame that was too big only the largest is given up", async () => {
  const { outbox, add } = setUp();
  const small = add("one", "small");
  const large = add("one-that-is-much-longer", "large");
  assert.equal(outbox.failLargestInFlight(new ChatError("validation_error", "too big")), true);
  await assert.rejects(large, { code: "validation_error" });
  outbox.settle("one", message(1, { conversationId: "small" }));
  await small;
  assert.equal(outbox.failLargestInFlight(new ChatError("validation_error", "too big")), false);
});

test("closing rejects everything and sends nothing more", async () => {
  const { line, outbox, add } = setUp();
  const all = [add("one"), add("two"), add("other", "another-conversation")];
  outbox.close(new ChatError("closed", "closed"));
  for (const stored of all) await assert.rejects(stored, { code: "closed" });
  assert.deepEqual(line.sent, ["one", "other"]);
  assert.equal(outbox.size, 0);
});

test("an outage is tried again within twice its retryAfter, however long it lasts", async () => {
  const { clock, line, outbox, add } = setUp();
  const failed = new ChatError("send_failed", "not stored", { retryable: true, retryAfter: 2 });
  add("one");
  for (let attempt = 1; attempt <= 12; attempt++) {
    outbox.refuse(TALK, "one", failed);
    await clock.advance(4_000);
    assert.equal(line.sent.length, attempt + 1);
  }
});
