/** How times, people and problems are put in words. */

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** "14:05". */
export const clockTime = (iso) => timeOfDay.format(new Date(iso));

/** "14:05" today, "3 May" before. */
export function shortTime(iso) {
  const at = new Date(iso);
  return at.toDateString() === new Date().toDateString() ? timeOfDay.format(at) : dayOfYear.format(at);
}

/** "Today", "Yesterday", "Saturday, 3 May". */
export function dayName(iso) {
  const at = new Date(iso);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days > 1) return longDay.format(at);
  return days === 1 ? "Yesterday" : "Today";
}

/** "2 minutes ago". */
export function ago(iso) {
  const minutes = Math.round((Date.now() - new Date(iso).getTime()) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (minutes < 1440) return relative.format(-Math.round(minutes / 60), "hour");
  return relative.format(-Math.round(minutes / 1440), "day");
}

/** "Online", "Busy", "Last seen 2 minutes ago". */
export function presenceText({ isOnline, status, lastSeen }) {
  if (isOnline) return { online: "Online", away: "Away", busy: "Busy" }[status] ?? "Online";
  return lastSeen ? `Last seen ${ago(lastSeen)}` : "Offline";
}

/** The first letter as a reader sees it: one Thai syllable cluster, one emoji. */
export function initial(name) {
  return [...graphemes.segment(name)][0]?.segment.toUpperCase() ?? "?";
}

/** Whether a text is nothing but one to three emoji, which are shown large. */
export function isEmojiOnly(text) {
  const parts = [...graphemes.segment(text.trim())].map(({ segment }) => segment);
  return parts.length > 0 && parts.length <= 3 && parts.every((part) => /^\p{Extended_Pictographic}|^\p{RI}{2}/u.test(part));
}

const MEDIA = { image: "📷 Photo", video: "🎥 Video", audio: "🎵 Audio", file: "📎 File" };

/** A message in one line. */
export function summary({ content, type }) {
  return content?.trim() || MEDIA[type] || "";
}

/** "1.4 MB". */
export function fileSize(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** "1:05". */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Where the connection stands; "" when there is nothing to say. */
export function connectionText({ state, reason, retryInMs = 0 }) {
  const STOPPED = {
    replaced: "This tab was replaced by newer ones.",
    unauthorized: "The server does not accept this login.",
    forbidden: "The server does not accept this page's address.",
    bad_request: "The server does not understand this page.",
  };
  if (state === "open" || state === "idle") return "";
  if (state === "connecting") return "Connecting …";
  if (state === "stopped") return STOPPED[reason] ?? "The connection was ended.";
  const seconds = Math.max(1, Math.round(retryInMs / 1000));
  const why = { server_busy: "The server is busy", server_restart: "The server restarts" }[reason] ?? "No connection";
  return `${why}. Trying again in ${seconds} s …`;
}

/** A problem as a person would say it. */
export function problemText(error) {
  if (error.code === "user_not_found") return "Nobody has come by that name yet. Open a second tab with it first.";
  if (error.code === "network") return "The server can't be reached.";
  return error.message;
}
