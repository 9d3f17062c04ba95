import assert from "node:assert/strict";
import { test } from "node:test";
import { setUp } from "../testkit/fixture.js";
import { settled } from "../testkit/clock.js";
import { TALK } from "../testkit/server.js";

const ID = "00000000-0000-4000-8000-0000000000e1";
const MEDIA = { uploadId: ID, url: "http://chat.test/x", type: "file", mimeType: "text/plain", size: 3, name: "a.txt" };
const BYTES = new Uint8Array([1, 2, 3]);
const FILE = { conversationId: TALK, name: "a.txt", mimeType: "text/plain" };

/** A server that takes uploads; `put` and `complete` answer in turn, the last answer for good. */
function uploadServer({ put = [[204]], complete = [[200, { media: MEDIA }]], ...options } = {}) {
  const all = setUp(options);
  const turn = (answers) => () => (answers.length > 1 ? answers.shift() : answers[0]);
  const bytes = turn(put);
  const headers = { "Content-Type": "text/plain" };
  const reservation = { uploadId: ID, method: "PUT", url: "http://bucket.test/b?sig=1", headers, expiresAt: "2030-01-01T00:00:00.000Z" };
  all.server.routes.set("POST /chat/uploads", () => [201, reservation]);
  all.server.routes.set("PUT /b", () => {
    const answer = bytes();
    if (!answer) throw new TypeError("connection reset");
    return answer;
  });
  all.server.routes.set(`POST /chat/uploads/${ID}/complete`, turn(complete));
  all.paths = () => all.server.requests.map(({ method, path }) => `${method} ${path}`);
  return all;
}

const error = (code, retryable) => ({ type: "error", error: { code, message: code, retryable } });

test("a file is reserved, sent where the server says, and completed", async () => {
  const { client, server, paths } = uploadServer();
  const progress = [];
  const media = await client.upload(BYTES, { ...FILE, onProgress: ({ sent, total }) => progress.push([sent, total]) });
  assert.deepEqual(media, MEDIA);
  assert.deepEqual(paths(), ["POST /chat/uploads", "PUT /b", `POST /chat/uploads/${ID}/complete`]);
  assert.deepEqual(JSON.parse(server.requests[0].body), { ...FILE, size: 3 });
  assert.equal(server.requests[1].body, BYTES);
  assert.equal(server.requests[1].headers.Authorization, undefined, "the bucket must not see the token");
  assert.deepEqual(progress, [
    [0, 3],
    [3, 3],
  ]);
});

test("a message names its uploads by their ids alone, and addresses elsewhere in full", async () => {
  const { client, server } = uploadServer();
  client.connect();
  await settled();
  await server.welcome();
  const elsewhere = { url: "https://cdn.test/1.jpg", type: "image" };
  const { tempId } = client.send({ conversationId: TALK, type: "file", media: [MEDIA, elsewhere], tempId: "t" });
  assert.deepEqual(server.socket.sent.find(({ type }) => type === "message.send").payload.media, [{ uploadId: ID }, elsewhere]);
  assert.deepEqual(client.drafts.find((draft) => draft.tempId === tempId).media, [MEDIA, elsewhere], "shown while it waits");
});

test("bytes are sent again when the network fails, and completion is asked again until it is ready", async () => {
  const { client, clock, paths } = uploadServer({
    put: [null, [503, error("unavailable", true)], [204]],
    complete: [[409, error("upload_not_ready", true)], [200, { media: MEDIA }]],
  });
  const done = client.upload(BYTES, FILE);
  await clock.advance(60_000);
  assert.deepEqual(await done, MEDIA);
  assert.equal(paths().filter((path) => path === "PUT /b").length, 3);
  assert.equal(paths().filter((path) => path.endsWith("/complete")).length, 2);
});

for (const [code, status] of [
  ["validation_error", 422],
  ["upload_not_found", 404],
]) {
  test(`a refusal with ${code} is final`, async () => {
    const { client, paths } = uploadServer({ complete: [[status, error(code, false)]] });
    await assert.rejects(client.upload(BYTES, FILE), { code, status });
    assert.equal(paths().length, 3);
  });
}

test("a network that stays away ends the upload", async () => {
  const { client, clock, paths } = uploadServer({ put: [null] });
  const outcome = assert.rejects(client.upload(BYTES, FILE), { code: "network" });
  await clock.advance(600_000);
  await outcome;
  assert.equal(paths().filter((path) => path === "PUT /b").length, 6);
});

test("what the user gives up is not sent again", async () => {
  const controller = new AbortController();
  const { client, clock, paths } = uploadServer({ put: [null] });
  const outcome = assert.rejects(client.upload(BYTES, { ...FILE, signal: controller.signal }), { code: "aborted" });
  await settled();
  controller.abort();
  await clock.advance(60_000);
  await outcome;
  assert.equal(paths().filter((path) => path === "PUT /b").length, 1);
  await assert.rejects(client.upload(BYTES, { ...FILE, signal: controller.signal }), { code: "aborted" });
});

test("XMLHttpRequest says how far it is, and a transfer that stalls is broken off and made again", async () => {
  const requests = [];
  class XMLHttpRequest {
    upload = {};
    headers = {};
    constructor() {
      requests.push(this);
    }
    open(method, url) {
      Object.assign(this, { method, url });
    }
    setRequestHeader(name, value) {
      this.headers[name] = value;
    }
    send(body) {
      this.body = body;
    }
    abort() {
      this.onabort();
      this.onloadend();
    }
  }
  const { client, clock } = uploadServer({ XMLHttpRequest });
  const sent = [];
  const done = client.upload(BYTES, { ...FILE, onProgress: (progress) => sent.push(progress.sent) });
  await settled();
  requests[0].upload.onprogress({ loaded: 1 });
  await clock.advance(59_000);
  assert.equal(requests.length, 1);
  await clock.advance(10_000);
  assert.equal(requests.length, 2);
  Object.assign(requests[1], { status: 204, responseText: "" });
  requests[1].onload();
  requests[1].onloadend();
  assert.deepEqual(await done, MEDIA);
  assert.deepEqual(sent, [0, 1, 0, 3]);
  assert.deepEqual(requests[1].headers, { "Content-Type": "text/plain" });
});
