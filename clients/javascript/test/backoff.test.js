import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../src/clock.js";
import { afterClose, afterRefusal, fullJitter, parseRetryAfter } from "../src/backoff.js";

const half = () => 0.5;
const most = () => 0.999999;

test("full jitter doubles its bound up to 30 s", () => {
  assert.deepEqual([0, 1, 2, 5].map((attempt) => fullJitter(attempt, half)), [250, 500, 1000, 8000]);
  assert.ok(fullJitter(60, most) <= 30_000);
  assert.equal(fullJitter(60, () => 0), 0);
});

test("close codes that forbid a retry stop the client", () => {
  assert.deepEqual(afterClose(4409, 0, half), { action: "stop", reason: "replaced" });
  assert.deepEqual(afterClose(1008, 0, half), { action: "stop", reason: "protocol_violation" });
});

test("a draining gateway's clients come back spread over 5 s", () => {
  assert.equal(afterClose(1001, 7, half).delayMs, 2500);
  assert.ok(afterClose(1001, 0, most).delayMs < 5000);
});

test("an expired token is renewed at once, the second time with delay", () => {
  assert.deepEqual(afterClose(4401, 0, half), { action: "renew", delayMs: 0, reason: "token_expired" });
  assert.equal(afterClose(4401, 1, half).delayMs, 500);
});

test("other codes back off and retry", () => {
  for (const code of [1006, 1011, 1013, 4408, 4410, 4999]) assert.equal(afterClose(code, 2, half).delayMs, 1000);
});

const accepted = { refusals: 0, refusedMs: 0 };

test("a refused origin stops; a refused token is renewed, at once and then with delay", () => {
  assert.equal(afterRefusal({ status: 403 }, 0, accepted, half).action, "stop");
  assert.equal(afterRefusal({ status: 401 }, 0, { refusals: 1, refusedMs: 0 }, half).delayMs, 0);
  assert.deepEqual(afterRefusal({ status: 401 }, 1, { refusals: 2, refusedMs: 10 }, half), { action: "renew", delayMs: 500, reason: "unauthorized" });
});

test("tokens that are refused stop only after two minutes: a revocation or a rotated key must get through first", () => {
  assert.equal(afterRefusal({ status: 401 }, 5, { refusals: 30, refusedMs: 119_999 }, half).action, "renew");
  assert.equal(afterRefusal({ status: 401 }, 5, { refusals: 3, refusedMs: 120_000 }, half).action, "stop");
  assert.equal(afterRefusal({ status: 401 }, 5, { refusals: 2, refusedMs: 500_000 }, half).action, "renew");
});

test("Retry-After is a minimum with jitter on top", () => {
  assert.equal(afterRefusal({ status: 503, retryAfter: 4 }, 0, accepted, half).delayMs, 4250);
  assert.equal(afterRefusal({ status: 0 }, 1, accepted, half).delayMs, 500);
});

test("Retry-After is read as seconds or as a date", () => {
  assert.equal(parseRetryAfter("7", 0), 7);
  assert.equal(parseRetryAfter("Thu, 01 Jan 1970 00:00:09 GMT", 4000), 5);
  assert.equal(parseRetryAfter("Thu, 01 Jan 1970 00:00:01 GMT", 4000), 0);
  assert.equal(parseRetryAfter("soon", 0), undefined);
  assert.equal(parseRetryAfter(null, 0), undefined);
});

test("a server that asks for a month is not asked again at once, as with a timer that overflows", (context) => {
  const timers = context.mock.method(globalThis, "setTimeout", () => 0);
  systemClock.after(31 * 24 * 3_600_000, () => {});
  const [{ arguments: [, ms] }] = timers.mock.calls;
  assert.ok(ms > 1e9 && ms < 2 ** 31, `a timer of ${ms} ms`);
});
