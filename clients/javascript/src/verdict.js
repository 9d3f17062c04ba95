/**
 * Why a handshake failed. A browser hides the HTTP answer of a refused handshake; a plain GET of the same URL is
 * answered with the same verdict (docs/protocol.md, «Connecting»), where 426 means that an upgrade would succeed.
 */
import { parseRetryAfter } from "./backoff.js";
import { request } from "./http.js";

const TIMEOUT_MS = 10_000;

/**
 * @param {object} options
 * @param {string} options.url http(s) address of the socket
 * @param {string} options.token
 * @param {typeof fetch} options.fetch
 * @param {import("./clock.js").Clock} options.clock
 * @returns {Promise<{ status: number, retryAfter?: number }>} status 0 when there was no answer
 */
export async function askVerdict({ url, token, fetch, clock }) {
  try {
    const init = /** @type {RequestInit} */ ({ headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
    const answer = await request({ url, init, timeoutMs: TIMEOUT_MS, fetch, clock });
    // Without the error object, a 400 or 403 is the page of a proxy.
    const { status, headers, text } = answer;
    const isProxys = (status === 400 || status === 403) && !text.includes('"error":');
    return { status: isProxys ? 0 : status, retryAfter: parseRetryAfter(headers.get("Retry-After"), clock.now()) };
  } catch {
    return { status: 0 };
  }
}
