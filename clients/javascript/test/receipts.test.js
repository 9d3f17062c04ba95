import assert from "node:assert/strict";
import { test } from "node:test";
import { connected } from "../testkit/fixture.js";
import { ME, TALK, message } from "../testkit/server.js";

test("a burst of messages is one delivered receipt", async () => {
  const { server, clock } = await connected();
  for (const seq of [1, 2, 3]) await server.push("message.new", { message: message(seq) });
  await clock.advance(250);
  assert.deepEqual(server.sent("message.delivered"), [{ conversationId: TALK, seq: 3 }]);
});

test("own messages and repeats send none", async () => {
  const { server, clock } = await connected();
  await server.push("message.new", { message: message(1) });
  await clock.advance(250);
  await server.push("message.new", { message: message(1) });
  await server.push("message.sent", { tempId: null, message: message(2, { senderId: ME }) });
  await clock.advance(1000);
  assert.equal(server.sent("message.delivered").length, 1);
});

test("delivered is not claimed beyond a gap", async () => {
  const { server, clock } = await connected();
  for (const seq of [1, 5]) await server.push("message.new", { message: message(seq) });
  await clock.advance(250);
  assert.deepEqual(server.sent("message.delivered"), [{ conversationId: TALK, seq: 1 }]);
});

test("it can be left to the application", async () => {
  const { client, server, clock } = await connected({ autoDelivered: false });
  await server.push("message.new", { message: message(1) });
  await clock.advance(1000);
  assert.deepEqual(server.sent("message.delivered"), []);
  client.markDelivered(TALK, 1);
  await clock.advance(250);
  assert.equal(server.sent("message.delivered").length, 1);
});

test("a read mark goes again until it is acknowledged", async () => {
  const { client, server, clock } = await connected();
  client.markRead(TALK, 4);
  client.markRead(TALK, 2);
  await clock.advance(250);
  assert.deepEqual(server.sent("message.read"), [{ conversationId: TALK, seq: 4 }]);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome();
  await clock.advance(0);
  assert.deepEqual(server.sent("message.read"), [{ conversationId: TALK, seq: 4 }]);
  await server.push("message.read_ack", { conversationId: TALK, seq: 4, readAt: "2024-01-01T11:00:00.000Z" });
  await clock.advance(10_000);
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome();
  await clock.advance(1000);
  assert.deepEqual(server.sent("message.read"), []);
});

test("a delivered mark that left just before the loss goes again, an old one doesn't", async () => {
  const { client, server, clock } = await connected();
  client.markDelivered("old", 1);
  await clock.advance(11_000);
  client.markDelivered("new", 2);
  await clock.advance(1_000);
  await server.close(1006);
  await clock.advance(1_000);
  await server.welcome();
  await clock.advance(0);
  assert.deepEqual(server.sent("message.delivered"), [{ conversationId: "new", seq: 2 }]);
});

test("many marks leave in bursts below the server's limit", async () => {
  const { client, server, clock } = await connected();
  for (let number = 0; number < 25; number++) client.markRead(`talk-${number}`, 1);
  await clock.advance(250);
  assert.equal(server.sent("message.read").length, 10);
  await clock.advance(2000);
  assert.equal(server.sent("message.read").length, 25);
});

test("a mark that the server had no room for goes again", async () => {
  const { client, server, clock } = await connected();
  client.markRead(TALK, 1);
  await clock.advance(250);
  await server.error("rate_limit_exceeded", { retryable: true, retryAfter: 2 }, { type: "message.read", conversationId: TALK });
  await clock.advance(2000);
  assert.equal(server.sent("message.read").length, 2);
});
