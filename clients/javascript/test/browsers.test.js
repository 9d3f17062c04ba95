/** What browsers tell, and what older ones don't understand. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { afterEach, test } from "node:test";
import { settled } from "../testkit/clock.js";
import { connected } from "../testkit/fixture.js";

const SOURCES = new URL("../src/", import.meta.url);

afterEach(() => {
  delete globalThis.window;
  delete globalThis.document;
});

for (const [type, target] of [["offline", "window"], ["online", "window"], ["visibilitychange", "document"]]) {
  test(`the browser's ${type} event asks an open connection for a sign of life at once`, async () => {
    globalThis.window = new EventTarget();
    globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const { client, server } = await connected();
    assert.equal(server.sent("ping").length, 0);
    globalThis[target].dispatchEvent(new Event(type));
    await settled();
    assert.equal(server.sent("ping").length, 1);
    client.close();
    globalThis[target].dispatchEvent(new Event(type));
    await settled();
    assert.equal(server.sent("ping").length, 1);
  });
}

test("no regular expression looks behind (Safari before 16.4) or asks for properties (React Native before 0.75)", async () => {
  const names = (await readdir(SOURCES, { recursive: true })).filter((name) => name.endsWith(".js"));
  assert.ok(names.length > 20);
  for (const name of names) assert.doesNotMatch(await readFile(new URL(name, SOURCES), "utf8"), /\(\?<[=!]|\/[^\n]*\\p\{\w+\}.*\/u/, name);
});
