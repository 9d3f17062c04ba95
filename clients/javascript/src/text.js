/** Blank texts, by the same rule as in the server (`shared/protocol/text.py`). */

// White space, control characters, default-ignorable characters (among them the Hangul fillers), and the braille blank.
const INVISIBLE = /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]*$/u;

/**
 * True when `text` has no visible character.
 *
 * @param {string} text
 */
export function isBlank(text) {
  return INVISIBLE.test(text);
}
