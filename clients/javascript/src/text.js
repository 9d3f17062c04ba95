/** Blank texts, by the same rule as in the server (`shared/protocol/text.py`). */

// White space (with U+FEFF), control characters, default-ignorable characters (among them the Hangul fillers), and the braille blank. They are
// written out, because React Native before 0.75 refuses to load a module with \p{…} (github.com/facebook/hermes/issues/1027).
const INVISIBLE =
  /^[\s\0-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]*$/u;

/**
 * True when `text` has no visible character.
 *
 * @param {string} text
 */
export function isBlank(text) {
  return INVISIBLE.test(text);
}
