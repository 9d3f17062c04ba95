import assert from "node:assert/strict";
import { test } from "node:test";
import { Gaps } from "../src/gaps.js";

const A = "a";

test("what comes in order is next at once", () => {
  const gaps = new Gaps();
  assert.deepEqual(gaps.accept(A, 4, "four"), { kind: "next", ready: ["four"] });
  assert.deepEqual(gaps.accept(A, 5, "five"), { kind: "next", ready: ["five"] });
  assert.equal(gaps.seen(A), 5);
});

test("a repeated message is a duplicate, held or shown", () => {
  const gaps = new Gaps();
  gaps.track(A, 3);
  gaps.accept(A, 6, "six");
  assert.equal(gaps.accept(A, 6, "six").kind, "duplicate");
  assert.equal(gaps.accept(A, 3, "three").kind, "duplicate");
});

test("a hole is told once, and what is behind it waits for it", () => {
  const gaps = new Gaps();
  gaps.track(A, 3);
  assert.deepEqual(gaps.accept(A, 6, "six"), { kind: "gap", afterSeq: 3, beforeSeq: 6 });
  assert.deepEqual(gaps.accept(A, 7, "seven"), { kind: "held" });
  assert.deepEqual(gaps.accept(A, 4, "four"), { kind: "next", ready: ["four"] });
  assert.deepEqual(gaps.hole(A), { afterSeq: 4, beforeSeq: 6 });
  assert.deepEqual(gaps.accept(A, 5, "five"), { kind: "next", ready: ["five", "six", "seven"] });
  assert.equal(gaps.hole(A), null);
});

test("a hole that stays is skipped up to the next one", () => {
  const gaps = new Gaps();
  gaps.track(A, 1);
  gaps.accept(A, 3, "three");
  gaps.accept(A, 5, "five");
  assert.deepEqual(gaps.skip(A), ["three"]);
  assert.deepEqual(gaps.skip(A), ["five"]);
  assert.deepEqual(gaps.skip(A), []);
  assert.equal(gaps.seen(A), 5);
});

test("conversations don't mix, and tracking never turns back", () => {
  const gaps = new Gaps();
  gaps.track(A, 9);
  gaps.track(A, 2);
  gaps.track("b", 1);
  assert.equal(gaps.seen(A), 9);
  assert.equal(gaps.accept("b", 2, "two").kind, "next");
  assert.equal(gaps.seen("c"), undefined);
});
