import assert from "node:assert/strict";
import { settled } from "./clock.js";

export const ME = "00000000-0000-4000-8000-00000000000a";
export const OTHER = "00000000-0000-4000-8000-00000000000b";
export const TALK = "00000000-0000-4000-8000-0000000000c1";

/** A message as the server sends it. */
export function message(seq, { senderId = OTHER, conversationId = TALK, content = `number ${seq}` } = {}) {
  const rest = { type: "text", media: [], isRead: false, readAt: null, deliveredAt: null, createdAt: "2024-01-01T11:00:00.000Z" };
  return { id: `id-${conversationId}-${seq}`, conversationId, seq, senderId, content, ...rest };
}

/**
 * The server's side of the socket, moved by the test: each `new WebSocket` of the client appears in `sockets`, and each
 * `fetch` is answered by the first of `routes` that knows it.
 */
export class ScriptedServer {
  sockets = [];
  requests = [];
  /** Answers by "METHOD /path": a function of (URL, body, headers) that returns [status, body, headers]. A text is sent as it is. */
  routes = new Map([["GET /chat/conversations", () => [200, { items: [], nextPage: null }]]]);

  get WebSocket() {
    const server = this;
    return class {
      readyState = 0;
      sent = [];
      constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        server.sockets.push(this);
      }
      send(text) {
        assert.equal(this.readyState, 1, "sent on a socket that is not open");
        this.sent.push(JSON.parse(text));
      }
      close(code) {
        this.readyState = 3;
        this.closedWith = code;
      }
    };
  }

  fetch = async (address, { method = "GET", headers = {}, body } = {}) => {
    const url = new URL(address);
    this.requests.push({ method, path: url.pathname, query: url.searchParams, headers, body });
    const route = this.routes.get(`${method} ${url.pathname}`);
    if (!route) throw new TypeError("connection refused");
    const [status, answer = null, extra = {}] = route(url, typeof body === "string" ? JSON.parse(body) : body, headers);
    const text = answer === null ? "" : typeof answer === "string" ? answer : JSON.stringify(answer);
    return { status, ok: status < 400, headers: { get: (name) => extra[name] ?? null }, text: () => Promise.resolve(text) };
  };

  /** The newest socket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Accepts the newest handshake and welcomes the client. */
  async welcome({ recovered = null, cursor = "c0", ...rest } = {}) {
    this.socket.readyState = 1;
    this.socket.onopen?.({});
    await this.push("connection.success", { userId: ME, recovered, cursor, maxMessageBytes: 524288, ...rest });
  }

  async push(type, payload, extra = {}) {
    this.socket.onmessage?.({ data: JSON.stringify({ type, payload, ...extra }) });
    await settled();
  }

  async error(code, details = {}, ref = undefined) {
    this.socket.onmessage?.({ data: JSON.stringify({ type: "error", error: { code, message: code, ...details }, ref }) });
    await settled();
  }

  async close(code) {
    this.socket.readyState = 3;
    this.socket.onclose?.({ code });
    await settled();
  }

  /** What the client sent on the newest socket, of one type. */
  sent(type) {
    return this.socket.sent.filter((frame) => frame.type === type).map((frame) => frame.payload);
  }

  /** Serves the messages 1 … `lastSeq` of the conversation, as the service pages them. */
  history(lastSeq, conversationId = TALK) {
    const all = Array.from({ length: lastSeq }, (_, index) => message(index + 1, { conversationId }));
    this.routes.set(`GET /chat/conversations/${conversationId}/messages`, (url) => {
      const afterSeq = Number(url.searchParams.get("afterSeq") ?? 0);
      const limit = Number(url.searchParams.get("limit") ?? 50);
      return [200, { items: all.filter(({ seq }) => seq > afterSeq).slice(0, limit), nextPage: null }];
    });
    this.routes.set("GET /chat/conversations", () => [200, { items: [{ id: conversationId, lastSeq, unread: 0 }], nextPage: null }]);
  }
}
