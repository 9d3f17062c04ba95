/**
 * Why a handshake failed. A browser hides the HTTP answer of a refused handshake; a plain GET of the same URL is
 * answered with the same verdict (protocol, section 1), 426 meaning "you would have been let in".
 */
import { parseRetryAfter } from "./backoff.js";

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
    const answer = await fetch(url, {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
      cache: "no-store",
    });
    return { status: answer.status, retryAfter: parseRetryAfter(answer.headers.get("Retry-After"), clock.now()) };
  } catch {
    return { status: 0 };
  }
}
