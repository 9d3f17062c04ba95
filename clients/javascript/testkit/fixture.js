import { ChatClient } from "../src/index.js";
import { FakeClock, settled } from "./clock.js";
import { ScriptedServer } from "./server.js";

/** A client, its scripted server and its clock; every event the client emits is in `events`. */
export function setUp(options = {}) {
  const clock = new FakeClock();
  const server = new ScriptedServer();
  const asked = [];
  const client = new ChatClient({
    url: "http://chat.test",
    getToken: (reason) => `token-${asked.push(reason)}`,
    WebSocket: server.WebSocket,
    fetch: server.fetch,
    clock,
    ...options,
  });
  const events = [];
  for (const type of ["message.new", "message.sent", "message.failed", "state", "lost", "synced", "typing.stop", "presence"]) {
    client.on(type, (payload, meta) => events.push({ type, payload, meta }));
  }
  const of = (type) => events.filter((event) => event.type === type).map((event) => event.payload);
  return { client, server, clock, asked, events, of };
}

/** The same, connected. */
export async function connected(options, welcome) {
  const all = setUp(options);
  all.client.connect();
  await settled();
  await all.server.welcome(welcome);
  return all;
}
