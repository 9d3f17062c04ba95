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
  /** The token of the next page; null on the last one. */
  nextPage: string | null;
}

/** What a resync has read: the page of the list, and archived conversations. */
export interface SyncedLists extends ConversationPage {
  archived: Conversation[];
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
  /** When no notifications are shown. `from` and `to` are HH:MM of local time, `timeZone` is an IANA name. */
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

/** A message to send. Content or media is required. By default `type` is "text", and `tempId` is random. */
export interface Draft {
  conversationId: string;
  type?: MessageType;
  content?: string;
  media?: Media[];
  /** The `seq` of the message that this one answers. */
  replyTo?: number;
  /** At most 4 KiB, stored and never read by the server; `type: "custom"` needs it. */
  metadata?: Record<string, unknown>;
  /** Idempotency key, at most 64 characters: only one message is stored for it, however often it is sent. */
  tempId?: string;
}

/** The used part of AbortSignal, because React Native and Node have no types of the DOM. */
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

/** The options of `upload`. */
export interface UploadOptions {
  /** The conversation of the message that will have the file. */
  conversationId: string;
  /** The file's name; by default its own. */
  name?: string;
  mimeType?: string;
  /** Called with the sent bytes and all bytes; with `fetch` (Node) only at the beginning and at the end. */
  onProgress?: (progress: { sent: number; total: number }) => void;
  /** Cancels the upload, which rejects with `aborted`. */
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
  | "bad_request"
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

/** How an event came: over the socket (live or replayed), or by REST after a gap. */
export interface EventMeta {
  source: "live" | "rest";
  /** Of an `error`: the request that failed. */
  ref?: { type?: string; tempId?: string; conversationId?: string };
}

/** Any received frame. */
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
  /** Calls back once after `ms` milliseconds; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface ClientOptions {
  /** Origin of the service, such as "https://chat.example.com". */
  url: string;
  /** Returns a JWT, within 30 s. `renew`: the last one was refused or expires soon, so return another. */
  getToken: (reason: { renew: boolean }) => Promise<string> | string;
  /** Required where there is no global one (Node before 22). */
  WebSocket?: any;
  /** Reports the progress of uploads; by default the global one, unless `fetch` is given. */
  XMLHttpRequest?: any;
  fetch?: (input: any, init?: any) => Promise<any>;
  /** Most messages without an acknowledgement, and most other requests without an answer; 200 by default. */
  outboxLimit?: number;
  /** Whether "delivered" is reported for each received message; true by default. */
  autoDelivered?: boolean;
  /**
   * A storage in which messages without an acknowledgement survive the page or process; without one they are only in memory.
   * `localStorage`, React Native's AsyncStorage, `indexedDbStorage()`, `fileStorage(folder)` …
   */
  storage?: Storage;
  /** The key in the storage, by default "chat.outbox". Use one for each user of a shared device, and for each client of a page. */
  storageKey?: string;
  clock?: Clock;
}

export interface Storage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
}
