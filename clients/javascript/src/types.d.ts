/** The shapes of `chat.v1` and of this client's options. Times are RFC 3339 UTC strings, ids UUID strings. */

import type { Conversation, Media, Message, OwnState, Sender, UserStatus } from "./wire.js";

export type * from "./wire.js";

export type User = Sender;
export type MessageType = Message["type"];
export type Presence = UserStatus;

/** The user's own settings and marks of a conversation. */
export type ConversationSettings = OwnState;

export interface ConversationPage {
  items: Conversation[];
  /** Of the page after this one; null on the last. */
  nextPage: string | null;
}

/** What to change of a conversation's settings. */
export interface ConversationChanges {
  mutedUntil?: string | null;
  archived?: boolean;
  pinned?: boolean;
  markedUnread?: boolean;
}

/** Which messages to read, of one conversation. */
export interface MessageRange {
  afterSeq?: number;
  beforeSeq?: number;
  aroundSeq?: number;
  /** 1–100, 50 unless given. */
  limit?: number;
}

export interface PushSettings {
  /** Whether notifications show the text. */
  preview: boolean;
  /** When none are shown; `from` and `to` are HH:MM of local time, `timeZone` an IANA name. */
  quietHours: { timeZone: string; from: string; to: string } | null;
  mutedUntil: string | null;
}

export interface Settings {
  push: PushSettings;
}

/** A native app. */
export interface PushDevice {
  platform: "fcm" | "apns";
  token: string;
  app?: string;
}

/** Which conversations to list. */
export interface ConversationQuery {
  /** 1–100, 50 unless given. */
  limit?: number;
  page?: string;
  archived?: boolean;
  unread?: boolean;
  pinned?: boolean;
}

export interface Friend extends Presence {
  username: string;
  displayName: string;
  avatar: string | null;
}

export interface Follow {
  userId: string;
  username: string;
  following: boolean;
  /** Whether both follow each other. */
  isFriend: boolean;
  followedAt: string | null;
}

export interface Block {
  username: string;
  blockedAt: string;
}

/** A message to send. Content or media is required; `type` is "text" and `tempId` made up unless given. */
export interface Draft {
  conversationId: string;
  type?: MessageType;
  content?: string;
  media?: Media[];
  /** The `seq` of the message that this one answers. */
  replyTo?: number;
  /** At most 4 KiB, stored and never read by the server; `type: "custom"` needs it. */
  metadata?: Record<string, unknown>;
  /** Idempotency key, at most 64 characters: one message is stored for it, however often it is sent. */
  tempId?: string;
}

/** As much of an AbortSignal as is used: the types need no DOM library, which React Native and Node have not. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** A Blob or File. */
export interface BlobLike {
  readonly size: number;
  readonly type: string;
}

/** What `upload` needs to know. */
export interface UploadOptions {
  /** The conversation whose message will bring the file. */
  conversationId: string;
  /** Of the file: its own unless given. */
  name?: string;
  mimeType?: string;
  /** How many bytes have left, of how many; with `fetch` alone (Node) at the beginning and at the end. */
  onProgress?: (progress: { sent: number; total: number }) => void;
  /** Gives the upload up: it rejects with `aborted`. */
  signal?: AbortSignalLike;
}

export interface UploadReservation {
  uploadId: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  expiresAt: string;
}

/** An upload that is ready: an entry for `media` of a message. URLs are signed for 7 days. */
export interface UploadedMedia extends Media {
  uploadId: string;
  url: string;
  type: "image" | "video" | "audio" | "file";
  mimeType: string;
  size: number;
  name: string;
  durationMs?: number;
  blurhash?: string;
}

/** Messages between the two seqs (both excluded) could not be read. */
export interface LostRange {
  conversationId: string;
  afterSeq: number;
  beforeSeq: number;
}

export type ConnectionState = "idle" | "connecting" | "open" | "waiting" | "stopped";

export type StateReason =
  | "connection_lost"
  | "server_restart"
  | "server_busy"
  | "unreachable"
  | "token_expired"
  | "no_token"
  | "unauthorized"
  | "forbidden"
  | "replaced"
  | "protocol_violation"
  | "frame_too_big"
  | "closed";

export interface StateChange {
  state: ConnectionState;
  /** Why, for "waiting" and "stopped". */
  reason?: StateReason | string;
  /** For "waiting". */
  retryInMs?: number;
}

/** How an event came: over the socket (live or replayed), or read over REST after a gap. */
export interface EventMeta {
  source: "live" | "rest";
  /** Of an `error`: the request that failed. */
  ref?: { type?: string; tempId?: string; conversationId?: string };
}

/** Any frame off the wire. */
export interface Frame {
  type: string;
  payload: any;
  cursor?: string;
  error?: any;
  ref?: any;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms`; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface ClientOptions {
  /** Origin of the service, such as "https://chat.example.com". */
  url: string;
  /** Gives a JWT; `renew` says that the one given before was refused or ends soon. */
  getToken: (reason: { renew: boolean }) => Promise<string> | string;
  /** Needed where there is no global one (Node before 22). */
  WebSocket?: any;
  /** Tells how far an upload is; the global one unless `fetch` is given. */
  XMLHttpRequest?: any;
  fetch?: (input: any, init?: any) => Promise<any>;
  /** Messages that may wait for their acknowledgement, 200 unless given. */
  outboxLimit?: number;
  /** Whether "delivered" is reported for each message that came, true unless given. */
  autoDelivered?: boolean;
  /**
   * Where messages that wait for their acknowledgement outlive the page or process; without one they live in memory only.
   * `localStorage`, React Native's AsyncStorage, `indexedDbStorage()`, `fileStorage(folder)` …
   */
  storage?: Storage;
  /** The key in the storage, "chat.outbox" unless given: one for each user of a shared device, and for each client of a page. */
  storageKey?: string;
  clock?: Clock;
}

export interface Storage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
}
