import { randomBytes } from "node:crypto";
import { request } from "node:http";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** The first length byte → how long a frame's head is, where it holds a longer length (RFC 6455, section 5.2). */
const LONG_HEADS = { 126: 4, 127: 10 };

/**
 * A WebSocket for Node before 20, which has none: as much of one as the client uses and the server sends, which is whole
 * text frames, pings and closes.
 */
export class NodeWebSocket {
  readyState = 0;
  onopen = null;
  onmessage = null;
  onclose = null;
  #asked;
  #stream = null;
  #received = Buffer.alloc(0);
  #code = 1006;

  constructor(url, protocols) {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": protocols.join(", "),
    };
    this.#asked = request(url.replace(/^ws/, "http"), { headers });
    this.#asked.on("upgrade", (_, stream, head) => this.#open(stream, head));
    this.#asked.on("response", () => this.#asked.destroy());
    this.#asked.on("error", () => {});
    this.#asked.on("close", () => this.#stream ?? this.#end());
    this.#asked.end();
  }

  send(text) {
    this.#write(TEXT, Buffer.from(text));
  }

  close(code = 1000) {
    if (this.readyState > 1) return;
    this.readyState = 2;
    if (!this.#stream) return void this.#asked.destroy();
    const status = Buffer.alloc(2);
    status.writeUInt16BE(code);
    this.#write(CLOSE, status);
    this.#stream.end();
  }

  #open(stream, head) {
    this.#stream = stream;
    stream.on("error", () => {});
    stream.on("close", () => this.#end());
    if (this.readyState > 0) return void stream.destroy();
    this.readyState = 1;
    this.onopen?.({});
    stream.on("data", (data) => this.#take(data));
    this.#take(head);
  }

  #take(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (let frame = this.#nextFrame(); frame; frame = this.#nextFrame()) this.#on(frame);
  }

  #nextFrame() {
    const buffer = this.#received;
    const length = buffer[1] & 0x7f;
    const head = LONG_HEADS[length] ?? 2;
    if (buffer.length < head) return null;
    const size = { 126: () => buffer.readUInt16BE(2), 127: () => Number(buffer.readBigUInt64BE(2)) }[length]?.() ?? length;
    if (buffer.length < head + size) return null;
    this.#received = buffer.subarray(head + size);
    return { opcode: buffer[0] & 0x0f, data: buffer.subarray(head, head + size) };
  }

  #on({ opcode, data }) {
    if (opcode === TEXT) this.onmessage?.({ data: data.toString() });
    if (opcode === PING) this.#write(PONG, data);
    if (opcode === CLOSE) {
      this.#code = data.length < 2 ? 1005 : data.readUInt16BE(0);
      this.#stream.end();
    }
  }

  /** Frames of a client are masked (section 5.3). */
  #write(opcode, data) {
    const mask = randomBytes(4);
    const head = Buffer.alloc(data.length < 126 ? 2 : data.length < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (head.length === 2 ? data.length : head.length === 4 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(data.length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(data.length), 2);
    this.#stream.write(Buffer.concat([head, mask, data.map((byte, index) => byte ^ mask[index % 4])]));
  }

  #end() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code: this.#code });
  }
}
