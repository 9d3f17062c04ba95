/** Tokens — the one place that asks the application for a JWT; callers that ask at the same time share the answer. */
const EARLY_MS = 10_000;

export class Tokens {
  #getToken;
  #clock;
  /** @type {string | null} */
  #token = null;
  /** @type {Promise<string> | null} */
  #asking = null;

  /**
   * @param {(reason: { renew: boolean }) => Promise<string> | string} getToken `renew` says that the last token was refused or ends soon
   * @param {import("./clock.js").Clock} clock
   */
  constructor(getToken, clock) {
    this.#getToken = getToken;
    this.#clock = clock;
  }

  /** The token in use; a new one when there is none or it is about to end. */
  async get() {
    if (this.#token && !this.#ends(this.#token)) return this.#token;
    return this.#ask(this.#token !== null);
  }

  /** A new token, whatever is known of the old one. */
  async renew() {
    return this.#ask(true);
  }

  /** @param {boolean} renew */
  #ask(renew) {
    this.#asking ??= Promise.resolve()
      .then(() => this.#getToken({ renew }))
      .then((token) => (this.#token = token))
      .finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @param {string} token */
  #ends(token) {
    const expiresAt = expiryOf(token);
    return expiresAt !== null && expiresAt - EARLY_MS <= this.#clock.now();
  }
}

/**
 * When the JWT ends, in milliseconds since the epoch, read without checking the signature (the server does that);
 * null when it can't be read (RFC 7519 section 4.1.4).
 *
 * @param {string} token
 * @returns {number | null}
 */
export function expiryOf(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(claims));
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}
