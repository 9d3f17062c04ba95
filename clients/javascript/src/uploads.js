/**
 * Uploads — uploads a file: reserve, send the bytes, complete. Each step is retried when it gets no answer.
 */
import { fullJitter } from "./backoff.js";
import { pause } from "./clock.js";
import { ChatError } from "./errors.js";
import { transfer } from "./transfer.js";

const ATTEMPTS = 6;
const UNKNOWN_TYPE = "application/octet-stream";

/** @typedef {import("./types.d.ts").UploadedMedia} UploadedMedia */

export class Uploads {
  #rest;
  #clock;
  #transport;

  /**
   * @param {object} options
   * @param {import("./rest.js").Rest} options.rest
   * @param {import("./clock.js").Clock} options.clock
   * @param {{ fetch: typeof fetch, XMLHttpRequest?: any }} options.transport
   */
  constructor({ rest, clock, transport }) {
    this.#rest = rest;
    this.#clock = clock;
    this.#transport = transport;
  }

  /**
   * @param {any} file a File or Blob, or bytes
   * @param {import("./types.d.ts").UploadOptions} options
   * @returns {Promise<UploadedMedia>} for the `media` of a message
   * @throws {ChatError} the server's reason, `network`, or `aborted`
   */
  async upload(file, { conversationId, name, mimeType, onProgress = () => {}, signal }) {
    const size = file.size ?? file.byteLength;
    const body = { conversationId, name: name ?? file.name ?? "file", mimeType: mimeType || file.type || UNKNOWN_TYPE, size };
    const reservation = await this.#repeatedly(signal, () => this.#rest.reserveUpload(body));
    const send = () => transfer({ reservation, file, size, onProgress, signal, clock: this.#clock, ...this.#transport });
    await this.#repeatedly(signal, send);
    const { media } = await this.#repeatedly(signal, () => this.#rest.completeUpload(reservation.uploadId));
    return media;
  }

  /**
   * The result of `step`, which is retried while that may help.
   *
   * @template T
   * @param {import("./types.d.ts").AbortSignalLike | undefined} signal
   * @param {() => Promise<T>} step
   * @returns {Promise<T>}
   */
  async #repeatedly(signal, step) {
    for (let attempt = 0; ; attempt++) {
      requireWanted(signal);
      try {
        return await step();
      } catch (error) {
        requireWanted(signal);
        // Above the user's quota, the wait may be a day: the application must decide, so don't retry.
        const isHopeless = !(error instanceof ChatError) || !error.retryable || error.code === "rate_limit_exceeded";
        if (isHopeless || attempt === ATTEMPTS - 1) throw error;
        await pause(this.#clock, (error.retryAfter ?? 0) * 1000 + fullJitter(attempt, this.#clock.random));
      }
    }
  }
}

/** @param {import("./types.d.ts").AbortSignalLike | undefined} signal */
function requireWanted(signal) {
  if (signal?.aborted) throw new ChatError("aborted", "The upload was given up");
}
