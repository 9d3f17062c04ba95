/** Tokens — asks the application for a JWT. Concurrent callers share the answer. */
const EARLY_MS = 10_000;
/** A token is renewed early, but never in the first two thirds of its life. */
const RENEW_AFTER = 2 / 3;
/** An application's own request may hang, for example when a phone changes networks. Then the next caller asks again. */
const ANSWER_MS = 30_000;

export class Tokens {
  #getToken;
  #clock;
  /** @type {string | null} */
  #token = null;
  #refused = false;
  /** When the application returned the token, in milliseconds since the epoch. */
  #givenAt = 0;
  /** @type {Promise<string> | null} */
  #asking = null;

  /**
   * @param {(reason: { renew: boolean }) => Promise<string> | string} getToken `renew`: the last token was refused or expires
   * soon
   * @param {import("./clock.js").Clock} clock
   */
  constructor(getToken, clock) {
    this.#getToken = getToken;
    this.#clock = clock;
  }

  /** The current token; a new one when there is none, it was refused, or it is about to expire. */
  async get() {
    if (this.#token !== null && !this.#refused && !this.#ends(this.#token)) return this.#token;
    return this.#ask(this.#token !== null);
  }

  /** A new token, even if the old one is valid. */
  async renew() {
    return this.#ask(true);
  }

  /**
   * The server refused `token`: the next `get` asks for another one. It does nothing when another one is in use already, so that
   * several calls that were refused together ask once.
   *
   * @param {string} token
   */
  refuse(token) {
    if (token === this.#token) this.#refused = true;
  }

  /** Milliseconds until the current token is old enough to be renewed; usually 0. */
  restMs() {
    const expiresAt = this.#token === null ? null : expiryOf(this.#token);
    if (expiresAt === null) return 0;
    const renewAt = this.#givenAt + (expiresAt - this.#givenAt) * RENEW_AFTER;
    return Math.max(0, Math.min(renewAt, expiresAt - EARLY_MS / 2) - this.#clock.now());
  }

  /** @param {boolean} renew */
  #ask(renew) {
    this.#asking ??= this.#answer(renew).finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @param {boolean} renew */
  async #answer(renew) {
    await 0; // A token that is there at once is a later answer, too.
    let cancel = () => {};
    const late = new Promise((_, reject) => (cancel = this.#clock.after(ANSWER_MS, () => reject("no answer"))));
    try {
      this.#token = await Promise.race([this.#getToken({ renew }), /** @type {Promise<never>} */ (late)]);
      this.#givenAt = this.#clock.now();
      this.#refused = false;
      return this.#token;
    } finally {
      cancel();
    }
  }

  /** @param {string} token */
  #ends(token) {
    const expiresAt = expiryOf(token);
    if (expiresAt === null) return false;
    const early = Math.min(EARLY_MS, (expiresAt - this.#givenAt) * (1 - RENEW_AFTER));
    return expiresAt - early <= this.#clock.now();
  }
}

/**
 * When the JWT expires, in milliseconds since the epoch (RFC 7519, section 4.1.4); null when it can't be read. The signature
 * isn't checked here, but by the server.
 *
 * @param {string} token
 * @returns {number | null}
 */
export function expiryOf(token) {
  try {
    const { exp } = JSON.parse(fromBase64Url(token.split(".")[1]));
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * Base64url (RFC 4648, section 5) as Latin-1 text. React Native has no `atob`.
 *
 * @param {string} text
 */
function fromBase64Url(text) {
  let bits = 0;
  let buffered = 0;
  let decoded = "";
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) throw new SyntaxError("not base64url");
    buffered = ((buffered << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      decoded += String.fromCharCode((buffered >> bits) & 0xff);
    }
  }
  return decoded;
}
