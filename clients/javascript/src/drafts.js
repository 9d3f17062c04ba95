/** Drafts — messages before they are sent. They are checked here, so that an error is thrown where it was made. */
import { ChatError } from "./errors.js";
import { isBlank } from "./text.js";

const MAX_CHARACTERS = 4_000;
const MAX_MEDIA = 10;
const MAX_TEMP_ID = 64;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// With the flag `u` a pair is one character, so only a half without its other half matches.
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * `draft` with defaults filled in.
 *
 * @param {import("./types.d.ts").Draft} draft
 * @returns {import("./types.d.ts").Draft & { tempId: string }}
 * @throws {ChatError} `validation_error`
 */
export function complete(draft) {
  const { conversationId, content = "", media = [] } = draft;
  const tempId = draft.tempId ?? newTempId();
  // The server's refusal has no ids when it can't read them, so it would match no waiting message here.
  if (!UUID.test(conversationId)) refuse("conversationId is no UUID");
  if (!tempId || [...tempId].length > MAX_TEMP_ID || LONE_SURROGATE.test(tempId)) refuse(`tempId has 1 to ${MAX_TEMP_ID} characters`);
  if (draft.type === "custom" && !draft.metadata) refuse("a custom message needs metadata");
  if (draft.type !== "custom" && media.length === 0 && isBlank(content)) refuse("content or media is required");
  if ([...content].length > MAX_CHARACTERS) refuse(`content is longer than ${MAX_CHARACTERS} characters`);
  if (content.includes("\0") || LONE_SURROGATE.test(content)) refuse("content holds a character that can't be stored");
  if (media.length > MAX_MEDIA) refuse(`more than ${MAX_MEDIA} media`);
  // The server answers with ids in lower case.
  return { ...draft, conversationId: conversationId.toLowerCase(), type: draft.type ?? "text", tempId };
}

/**
 * `draft` for the server: of an upload only the id, because the server knows the rest. A server of version 0.1.0 refuses an id,
 * but would store the URL, which expires.
 *
 * @param {import("./types.d.ts").Draft} draft
 * @returns {import("./types.d.ts").Draft}
 */
export function onWire(draft) {
  return { ...draft, media: draft.media?.map(({ uploadId, ...item }) => (uploadId ? { uploadId } : item)) };
}

/**
 * A new idempotency key: 122 random bits (RFC 9562 version 4) where the platform offers it. It must be unique among the sender's
 * keys, but needn't be hard to guess.
 */
export function newTempId() {
  const { crypto } = globalThis;
  // It is missing on pages over plain HTTP from another machine, and in React Native.
  if (crypto?.randomUUID) return crypto.randomUUID();
  const bytes = new Uint8Array(16).map(() => Math.random() * 256);
  crypto?.getRandomValues?.(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} message
 * @returns {never}
 */
function refuse(message) {
  throw new ChatError("validation_error", message);
}
