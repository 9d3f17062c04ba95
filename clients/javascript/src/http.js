/** One HTTP request with a time-out, for platforms without `AbortSignal.timeout` (React Native). */

/**
 * A complete answer. Its body has been read, so that nothing waits for the network after this call.
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {boolean} ok
 * @property {{ get(name: string): string | null }} headers
 * @property {string} text
 */

/**
 * @param {object} options
 * @param {string} options.url
 * @param {object} options.init what `fetch` takes, but for the signal
 * @param {number} options.timeoutMs for headers and body together
 * @param {typeof fetch} options.fetch
 * @param {import("./clock.js").Clock} options.clock
 * @returns {Promise<Answer>} rejects with whatever `fetch` rejects with
 */
export async function request({ url, init, timeoutMs, fetch, clock }) {
  const controller = new AbortController();
  const cancelTimer = clock.after(timeoutMs, () => controller.abort());
  try {
    const answer = await fetch(url, { ...init, signal: controller.signal });
    const { status, ok, headers } = answer;
    return { status, ok, headers, text: await answer.text() };
  } finally {
    cancelTimer();
  }
}
