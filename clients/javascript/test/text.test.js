/** Text that nobody can see. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { isBlank } from "../src/text.js";

for (const text of ["", " \n\t", "\u00a0", "\u3000", "\u200b", "\u200d\ufe0f", "\u2800", "\u3164", "\u115f\u1160", "\uffa0", "\u2066\u2069", "\u{e0041}"]) {
  test(`${JSON.stringify(text)} is blank`, () => assert.ok(isBlank(text)));
}

for (const text of ["a", " a ", "\u200ba", "ไม่", "👍", "0", "."]) {
  test(`${JSON.stringify(text)} is not blank`, () => assert.ok(!isBlank(text)));
}
