export { ChatClient } from "./client.js";
export { ChatError } from "./errors.js";
export { CLOSE, COMMAND, EVENT } from "./protocol.js";
