/** When to reconnect: pure functions of what happened, the number of the attempt, and a random number. */
import { CLOSE } from "./protocol.js";

const BASE_MS = 500;
const CAP_MS = 30_000;
const DRAIN_SPREAD_MS = 5_000;
const REFUSALS_BEFORE_STOP = 3;
/** A rotated key may take this long to be known everywhere. */
const REFUSED_BEFORE_STOP_MS = 120_000;

/**
 * What to do next. `renew` is `retry` with a new token.
 *
 * @typedef {{ action: "retry" | "renew", delayMs: number, reason: string }
 *   | { action: "stop", reason: string }} Advice
 */

/**
 * "Full jitter": uniform between 0 and an exponential bound, which spreads many clients best
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 *
 * @param {number} attempt 0 for the first retry
 * @param {() => number} random
 * @returns {number} milliseconds
 */
export function fullJitter(attempt, random) {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16));
}

/**
 * The close codes of docs/protocol.md, «Limits and close codes».
 *
 * @param {number} code
 * @param {number} attempt short connections in a row
 * @param {() => number} random
 * @returns {Advice}
 */
export function afterClose(code, attempt, random) {
  switch (code) {
    case CLOSE.POLICY:
      return { action: "stop", reason: "protocol_violation" };
    case CLOSE.REPLACED:
      return { action: "stop", reason: "replaced" };
    case CLOSE.GOING_AWAY:
    case CLOSE.RESTART:
      return { action: "retry", delayMs: random() * DRAIN_SPREAD_MS, reason: "server_restart" };
    case CLOSE.TOKEN_EXPIRED:
      return { action: "renew", delayMs: attempt === 0 ? 0 : fullJitter(attempt, random), reason: "token_expired" };
    default:
      return { action: "retry", delayMs: fullJitter(attempt, random), reason: "connection_lost" };
  }
}

/**
 * The advice after a handshake that was refused with an HTTP answer, or got no answer.
 *
 * @param {{ status: number, retryAfter?: number }} verdict status 0 when the server did not answer; `retryAfter` in seconds
 * @param {number} attempt connections in a row that did not last
 * @param {{ refusals: number, refusedMs: number }} unauthorized answers 401 in a row, this one included, and since when
 * @param {() => number} random
 * @returns {Advice}
 */
export function afterRefusal({ status, retryAfter }, attempt, { refusals, refusedMs }, random) {
  if (status === 403) return { action: "stop", reason: "forbidden" };
  if (status === 400 || status === 431) return { action: "stop", reason: "bad_request" };
  if (status === 401) {
    if (refusals >= REFUSALS_BEFORE_STOP && refusedMs >= REFUSED_BEFORE_STOP_MS) return { action: "stop", reason: "unauthorized" };
    return { action: "renew", delayMs: refusals === 1 ? 0 : fullJitter(attempt, random), reason: "unauthorized" };
  }
  const reason = status === 503 || status === 429 ? "server_busy" : "unreachable";
  // Retry-After is a minimum: jitter is added, or all clients that were refused together would return together.
  const floorMs = (retryAfter ?? 0) * 1000;
  return { action: "retry", delayMs: floorMs + fullJitter(attempt, random), reason };
}

/**
 * The seconds in a Retry-After header (RFC 9110 section 10.2.3: seconds or an HTTP date).
 *
 * @param {string | null} header
 * @param {number} nowMs
 * @returns {number | undefined}
 */
export function parseRetryAfter(header, nowMs) {
  if (!header) return undefined;
  if (/^\d+$/.test(header)) return Number(header);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, (atMs - nowMs) / 1000);
}
