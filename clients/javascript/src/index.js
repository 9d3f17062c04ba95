export { ChatClient } from "./client.js";
export { newTempId } from "./drafts.js";
export { ChatError } from "./errors.js";
export { indexedDbStorage } from "./storage.js";
export { CLOSE, COMMAND, EVENT } from "./protocol.js";
