/**
 * ChatError — the only error that this client throws or rejects with.
 *
 * `code` is one of the protocol's codes, or one of the client's own: `network` (no answer), `timeout` (no answer in
 * time), `outbox_full`, `discarded` (by the application), `closed` (the client was closed), `aborted` (an upload was cancelled),
 * `upload_failed` (a bucket refused the bytes).
 */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, retryAfter?: number, status?: number }} [details] `retryAfter` in seconds
   */
  constructor(code, message, { retryable = false, retryAfter, status } = {}) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.retryable = retryable;
    this.retryAfter = retryAfter;
    this.status = status;
  }

  /**
   * @param {{ code: string, message: string, retryable?: boolean, retryAfter?: number }} error the wire's error object
   * @param {number} [status] of the HTTP answer that carried it
   */
  static from(error, status) {
    return new ChatError(error.code, error.message, { ...error, status });
  }
}
