/**
 * One transfer of a file's bytes. XMLHttpRequest, where it exists, reports the progress; `fetch` does not.
 */
import { ChatError } from "./errors.js";

/** A transfer without progress for this time is aborted, because a dead network gives no error. */
const STALLED_MS = 60_000;
/** `fetch` doesn't report progress, so its time-out is what a slow network would need. */
const SLOWEST_BYTES_PER_MS = 16;

/**
 * @param {object} options
 * @param {{ method: string, url: string, headers: Record<string, string> }} options.reservation
 * @param {any} options.file
 * @param {number} options.size in bytes
 * @param {(progress: { sent: number, total: number }) => void} options.onProgress
 * @param {import("./types.d.ts").AbortSignalLike} [options.signal]
 * @param {import("./clock.js").Clock} options.clock
 * @param {typeof fetch} options.fetch
 * @param {any} [options.XMLHttpRequest]
 * @returns {Promise<void>}
 * @throws {ChatError}
 */
export async function transfer({ reservation, file, size, onProgress, signal, clock, fetch, XMLHttpRequest }) {
  onProgress({ sent: 0, total: size });
  const tell = (/** @type {number} */ sent) => onProgress({ sent: Math.min(sent, size), total: size });
  const { status, text } = await (XMLHttpRequest
    ? byXhr({ ...reservation, file, tell, signal, clock, XMLHttpRequest })
    : byFetch({ ...reservation, file, size, signal, clock, fetch }));
  if (status < 200 || status > 299) throw failure(status, text);
  tell(size);
}

/**
 * @param {any} options
 * @returns {Promise<{ status: number, text: string }>}
 */
async function byFetch({ method, url, headers, file, size, signal, clock, fetch }) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const stopTimer = clock.after(STALLED_MS + size / SLOWEST_BYTES_PER_MS, abort);
  signal?.addEventListener("abort", abort);
  try {
    const answer = await fetch(url, { method, headers, body: file, signal: controller.signal });
    return { status: answer.status, text: await answer.text() };
  } catch (cause) {
    throw new ChatError("network", `${method}: ${cause}`, { retryable: true });
  } finally {
    stopTimer();
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * @param {any} options
 * @returns {Promise<{ status: number, text: string }>}
 */
function byXhr({ method, url, headers, file, tell, signal, clock, XMLHttpRequest }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    let stopTimer = () => {};
    const moved = () => {
      stopTimer();
      stopTimer = clock.after(STALLED_MS, abort);
    };
    const fail = () => reject(new ChatError("network", `${method}: the transfer broke off`, { retryable: true }));
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (/** @type {ProgressEvent} */ event) => {
      moved();
      tell(event.loaded);
    };
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = fail;
    request.onabort = fail;
    request.onloadend = () => {
      stopTimer();
      signal?.removeEventListener("abort", abort);
    };
    signal?.addEventListener("abort", abort);
    moved();
    request.send(file);
  });
}

/**
 * @param {number} status
 * @param {string} text the server's JSON, or a bucket's XML
 */
function failure(status, text) {
  const retryable = status === 408 || status === 429 || status >= 500;
  try {
    const { error } = JSON.parse(text);
    return new ChatError(error.code, error.message, { retryable, status });
  } catch {
    return new ChatError("upload_failed", `The bytes were refused: HTTP ${status}`, { retryable, status });
  }
}
