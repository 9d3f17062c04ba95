import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../testkit/clock.js";
import { connected, setUp } from "../testkit/fixture.js";
import { OTHER, TALK, message } from "../testkit/server.js";

test("the token travels as a subprotocol, the cursor in the query", async () => {
  const { server, clock } = await connected();
  assert.equal(server.socket.url, "ws://chat.test/chat/ws");
  assert.deepEqual(server.socket.protocols, ["chat.v1", "bearer.token-1"]);
  await server.push("message.new", { message: message(1) }, { cursor: "c/1" });
  await server.close(1006);
  await clock.advance(1000);
  assert.equal(server.socket.url, "ws://chat.test/chat/ws?cursor=c%2F1");
});

test("a replay that breaks off is resumed where it broke, not at the head", async () => {
  const { server, clock } = await connected({}, { cursor: "c1" });
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: true, cursor: "c9" });
  await server.push("message.new", { message: message(1) }, { cursor: "c2" });
  await server.close(1006);
  await clock.advance(5000);
  assert.match(server.socket.url, /cursor=c2$/);
});

test("a device that is away says so when it connects again", async () => {
  const { client, server, clock } = await connected({}, { cursor: "c1" });
  client.setStatus("away");
  await server.close(1006);
  await clock.advance(1000);
  assert.equal(server.socket.url, "ws://chat.test/chat/ws?cursor=c1&status=away");
});

test("after recovered: false the new cursor holds", async () => {
  const { server, clock } = await connected({}, { cursor: "old" });
  await server.close(1006);
  await clock.advance(1000);
  await server.welcome({ recovered: false, cursor: "new" });
  await server.close(1006);
  await clock.advance(5000);
  assert.match(server.socket.url, /cursor=new$/);
});

test("delays grow while connections don't last, and are short again after one that did", async () => {
  const { server, clock, of } = await connected();
  const delays = async () => {
    await server.close(1006);
    const { retryInMs } = of("state").at(-1);
    await clock.advance(retryInMs);
    return retryInMs;
  };
  assert.equal(await delays(), 250);
  await server.welcome();
  assert.equal(await delays(), 500);
  await server.welcome();
  assert.equal(await delays(), 1000);
  await server.welcome();
  await clock.advance(10_000);
  assert.equal(await delays(), 250);
});

test("4409 and 1008 end it, and connect starts again", async () => {
  for (const [code, reason] of [[4409, "replaced"], [1008, "protocol_violation"]]) {
    const { client, server, clock, of } = await connected();
    await server.close(code);
    await clock.advance(120_000);
    assert.equal(server.sockets.length, 1);
    assert.deepEqual(of("state").at(-1), { state: "stopped", reason });
    client.connect();
    await settled();
    assert.equal(server.sockets.length, 2);
  }
});

test("1009 with nothing in flight ends it; with a message it gives that up and goes on", async () => {
  const idle = await connected();
  await idle.server.close(1009);
  assert.deepEqual(idle.of("state").at(-1), { state: "stopped", reason: "frame_too_big" });

  const busy = await connected();
  const { sent } = busy.client.send({ conversationId: OTHER, content: "x" });
  await busy.server.close(1009);
  await assert.rejects(sent, { code: "validation_error" });
  await busy.clock.advance(1000);
  assert.equal(busy.server.sockets.length, 2);
});

test("4401 asks for a new token and reconnects at once", async () => {
  const { server, clock, asked } = await connected();
  await clock.advance(20_000);
  await server.close(4401);
  await clock.advance(0);
  assert.deepEqual(asked, [{ renew: false }, { renew: true }]);
  assert.deepEqual(server.socket.protocols, ["chat.v1", "bearer.token-2"]);
});

test("a failed handshake asks for the verdict and keeps Retry-After, woken or not", async () => {
  const { client, server, clock, of } = setUp();
  server.routes.set("GET /chat/ws", () => [503, {}, { "Retry-After": "8" }]);
  client.connect();
  await settled();
  await server.close(1006);
  assert.equal(server.requests[0].headers.Authorization, "Bearer token-1");
  assert.deepEqual(of("state").at(-1), { state: "waiting", reason: "server_busy", retryInMs: 8250 });
  await clock.advance(8249);
  assert.equal(server.sockets.length, 1);
  await clock.advance(1);
  assert.equal(server.sockets.length, 2);
});

test("a token that is refused again and again ends it", async () => {
  const { client, server, clock, asked, of } = setUp();
  server.routes.set("GET /chat/ws", () => [401, {}]);
  client.connect();
  for (let refusal = 0; refusal < 12 && client.state !== "stopped"; refusal++) {
    await clock.advance(30_000);
    if (client.state === "connecting") await server.close(1006);
  }
  assert.deepEqual(of("state").at(-1), { state: "stopped", reason: "unauthorized" });
  assert.ok(asked.length >= 3 && asked.slice(1).every(({ renew }) => renew));
});

const REFUSAL = { type: "error", error: { code: "refused", message: "no", retryable: false } };
const PAGE = "<html><title>Blocked</title></html>";

for (const [status, body, last] of [
  [403, REFUSAL, { state: "stopped", reason: "forbidden" }],
  [400, REFUSAL, { state: "stopped", reason: "bad_request" }],
  [431, PAGE, { state: "stopped", reason: "bad_request" }],
  [403, PAGE, { state: "waiting", reason: "unreachable", retryInMs: 250 }],
  [400, PAGE, { state: "waiting", reason: "unreachable", retryInMs: 250 }],
]) {
  const whose = body === PAGE ? "a proxy" : "the chat";
  test(`${status} from ${whose} makes a client that connects ${last.state}`, async () => {
    const { client, server, of } = setUp();
    server.routes.set("GET /chat/ws", () => [status, body]);
    client.connect();
    await settled();
    await server.close(1006);
    assert.deepEqual(of("state").at(-1), last);
    client.close();
  });
}

test("a token that never comes is asked for again", async () => {
  const answers = [new Promise(() => {}), "good"];
  const { client, server, clock, of } = setUp({ getToken: () => answers.shift() });
  client.connect();
  await clock.advance(30_000);
  assert.equal(of("state").at(-1).reason, "no_token");
  await clock.advance(5_000);
  assert.deepEqual(server.socket.protocols, ["chat.v1", "bearer.good"]);
  client.close();
});

test("an application that only has its old token isn't asked in a loop", async () => {
  const { client, server, clock } = await connected({ getToken: () => "old" });
  await server.push("auth.expiring", { expiresAt: "2024-01-01T11:00:00.000Z" });
  await clock.advance(1_000);
  assert.deepEqual(server.sent("auth.refresh"), []);
  client.close();
});

test("an application without a token to give is asked again later", async () => {
  let fails = true;
  const getToken = () => {
    if (fails) throw new Error("logged out");
    return "good";
  };
  const { client, server, clock, of } = setUp({ getToken });
  client.connect();
  await settled();
  assert.equal(of("state").at(-1).reason, "no_token");
  fails = false;
  await clock.advance(5_000);
  assert.deepEqual(server.socket.protocols, ["chat.v1", "bearer.good"]);
});

test("auth.expiring is answered with a new token on the same socket", async () => {
  const { server } = await connected();
  await server.push("auth.expiring", { expiresAt: "2024-01-01T11:00:00.000Z" });
  assert.deepEqual(server.sent("auth.refresh"), [{ token: "token-2" }]);
  assert.equal(server.sockets.length, 1);
});

test("silence is broken with a ping; no answer to it means a new connection", async () => {
  const { server, clock } = await connected();
  await clock.advance(25_000);
  assert.equal(server.sent("ping").length, 1);
  await server.push("pong", { timestamp: 1 });
  await clock.advance(25_000);
  assert.equal(server.sent("ping").length, 2);
  await clock.advance(10_000);
  assert.equal(server.sockets[0].closedWith, 1000);
  await clock.advance(1000);
  assert.equal(server.sockets.length, 2);
});

test("a handshake that hangs is given up", async () => {
  const { client, server, clock } = setUp();
  client.connect();
  await clock.advance(15_000);
  await clock.advance(1_000);
  assert.equal(server.sockets.length, 2);
});

test("a proxy that accepts the handshake and says something else is given up, too", async () => {
  const { client, server, clock } = setUp();
  client.connect();
  await settled();
  server.socket.readyState = 1;
  server.socket.onopen({});
  await clock.advance(14_000);
  server.socket.onmessage({ data: '{"message": "Endpoint request timed out"}' });
  await clock.advance(1_000);
  assert.equal(server.sockets[0].closedWith, 1000);
  await clock.advance(1_000);
  assert.equal(server.sockets.length, 2);
  client.close();
});

test("further reasons to check a connection don't prolong the wait for its answer", async () => {
  const { client, server, clock } = await connected();
  for (let second = 0; second < 10; second += 5) {
    client.wake();
    await clock.advance(5_000);
  }
  assert.equal(server.sent("ping").length, 1);
  assert.equal(server.sockets[0].closedWith, 1000);
  client.close();
});

test("closing while waiting ends the trying", async () => {
  const { client, server, clock, of } = await connected();
  await server.close(1006);
  client.close();
  await clock.advance(60_000);
  assert.equal(server.sockets.length, 1);
  assert.deepEqual(of("state").at(-1), { state: "stopped", reason: "closed" });
});

test("closing and connecting at once leaves one live socket", async () => {
  const { client, server } = await connected();
  client.close();
  client.connect();
  await settled();
  assert.equal(server.sockets.length, 2);
  await server.welcome();
  assert.equal(client.state, "open");
});

test("after closing and connecting again everything works: synced, gaps, receipts, sends", async () => {
  const { client, server, clock, of } = await connected();
  await server.push("message.new", { message: message(1) });
  client.close();
  await assert.rejects(client.send({ conversationId: TALK, content: "too late" }).sent, { code: "closed" });
  client.connect();
  await settled();
  server.history(4);
  const before = of("synced").length;
  await server.welcome({ recovered: false, cursor: "new" });
  assert.equal(of("synced").length, before + 1);
  server.history(6);
  await server.push("message.new", { message: message(6) });
  assert.deepEqual(of("message.new").map(({ message: { seq } }) => seq), [1, 2, 3, 4, 5, 6]);
  client.send({ conversationId: TALK, content: "again" }).sent.catch(() => {});
  assert.equal(server.sent("message.send").length, 1);
  await clock.advance(1_000);
  assert.equal(server.sent("message.delivered").at(-1).seq, 6);
  client.close();
});

test("three refusals within a second don't end it", async () => {
  const { client, server, clock } = setUp();
  server.routes.set("GET /chat/ws", () => [401, {}]);
  client.connect();
  for (let refusal = 0; refusal < 3; refusal++) {
    await clock.advance(500);
    if (client.state === "connecting") await server.close(1006);
  }
  server.routes.set("GET /chat/ws", () => [426, {}]);
  await clock.advance(2_000);
  assert.equal(client.state, "connecting");
  await server.welcome();
  assert.equal(client.state, "open");
});

test("an error without a close ends a handshake at once", async () => {
  const { client, server, of } = setUp();
  client.connect();
  await settled();
  server.socket.onerror({});
  await settled();
  assert.equal(of("state").at(-1).state, "waiting");
  assert.equal(typeof server.socket.onerror, "function", "`ws` ends the process at an error that nobody listens to");
});

test("an error on an open socket is followed by its close, or by an end of our own", async () => {
  const { server, clock, of } = await connected();
  server.socket.onerror({});
  assert.equal(of("state").at(-1).state, "open");
  await clock.advance(1_000);
  assert.equal(of("state").at(-1).reason, "connection_lost");
});

test("a WebSocket that can't be made is one more failed attempt", async () => {
  const { server } = setUp();
  let works = false;
  const Broken = class extends server.WebSocket {
    constructor(...given) {
      if (!works) throw new SyntaxError("invalid subprotocol");
      super(...given);
    }
  };
  const { client, clock } = setUp({ WebSocket: Broken });
  client.connect();
  await clock.advance(1_000);
  assert.equal(server.sockets.length, 0);
  works = true;
  await clock.advance(5_000);
  assert.equal(server.sockets.length, 1);
  client.close();
});

test("a token that no handshake can carry is asked for again", async () => {
  const tokens = ["broken\ntoken", "good"];
  const { client, server, clock, of } = setUp({ getToken: () => tokens.shift() });
  client.connect();
  await settled();
  assert.equal(of("state").at(-1).reason, "no_token");
  assert.equal(server.sockets.length, 0);
  await clock.advance(5_000);
  assert.deepEqual(server.socket.protocols, ["chat.v1", "bearer.good"]);
});

test("a token that lives for seconds is renewed when most of its life is over, and not in a loop", async () => {
  const asked = [];
  const { client, server, clock } = setUp({ getToken: (reason) => (asked.push(reason), shortLived(clock.now(), 10)) });
  client.connect();
  await settled();
  await server.welcome();
  for (let second = 0; second < 20; second++) {
    // A server that announces the end of each token as soon as it sees it.
    await server.push("auth.expiring", { expiresAt: "2024-01-01T11:00:00.000Z" });
    await clock.advance(1_000);
  }
  assert.ok(asked.length >= 3 && asked.length <= 5, `${asked.length} tokens in 20 s`);
  assert.equal(server.sockets.length, 1);
});

/** A JWT without a signature, that ends `seconds` after `now`. */
function shortLived(now, seconds) {
  const claims = Buffer.from(JSON.stringify({ sub: "x", exp: now / 1000 + seconds })).toString("base64url");
  return `e30.${claims}.c2ln`;
}

test("where there is no WebSocket, making a client works and connecting says what is missing", () => {
  const here = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  delete globalThis.WebSocket;
  try {
    const { client } = setUp({ WebSocket: undefined });
    assert.throws(() => client.connect(), /options.WebSocket/);
  } finally {
    if (here) Object.defineProperty(globalThis, "WebSocket", here);
  }
});

test("wake asks an open connection for a sign of life, and connects at once while waiting", async () => {
  const { client, server } = await connected();
  client.wake();
  assert.equal(server.sent("ping").length, 1);
  await server.close(1006);
  client.wake();
  await settled();
  assert.equal(server.sockets.length, 2);
});
