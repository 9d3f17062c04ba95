import assert from "node:assert/strict";
import { test } from "node:test";
import { connected } from "../testkit/fixture.js";
import { OTHER, TALK } from "../testkit/server.js";

test("key presses become one start in two seconds", async () => {
  const { client, server, clock } = await connected();
  for (let press = 0; press < 10; press++) {
    client.typing(TALK);
    await clock.advance(250);
  }
  assert.equal(server.sent("typing.start").length, 2);
});

test("stop is sent once, and only after a start", async () => {
  const { client, server } = await connected();
  client.stopTyping(TALK);
  client.typing(TALK);
  client.stopTyping(TALK);
  client.stopTyping(TALK);
  assert.equal(server.sent("typing.stop").length, 1);
});

test("sending a message needs no stop, and typing may start again at once", async () => {
  const { client, server } = await connected();
  client.typing(TALK);
  client.send({ conversationId: TALK, content: "hello" });
  client.stopTyping(TALK);
  client.typing(TALK);
  assert.equal(server.sent("typing.stop").length, 0);
  assert.equal(server.sent("typing.start").length, 2);
});

test("an indicator whose stop is lost goes out by itself", async () => {
  const { server, clock, of } = await connected();
  const who = { conversationId: TALK, userId: OTHER };
  await server.push("typing.start", { ...who, expiresInMs: 3000 });
  await clock.advance(2000);
  await server.push("typing.start", { ...who, expiresInMs: 3000 });
  await clock.advance(3499);
  assert.deepEqual(of("typing.stop"), []);
  await clock.advance(1);
  assert.deepEqual(of("typing.stop"), [who]);
});

test("an indicator that was stopped is not stopped twice", async () => {
  const { server, clock, of } = await connected();
  const who = { conversationId: TALK, userId: OTHER };
  await server.push("typing.start", { ...who, expiresInMs: 3000 });
  await server.push("typing.stop", who);
  await clock.advance(10_000);
  assert.equal(of("typing.stop").length, 1);
});
