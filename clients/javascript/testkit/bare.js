/**
 * Preloaded (`node --import ./testkit/bare.js --test`), it removes what React Native and older browsers don't have, so that the
 * same tests check that the client works without it.
 */
// Node's own fetch and WebSocket need some of it when they are first used: that is now.
void new Response("");
void globalThis.WebSocket;

delete AbortSignal.timeout;
delete AbortSignal.any;
delete globalThis.crypto;
delete globalThis.atob;
delete globalThis.btoa;
delete globalThis.TextEncoder;
delete globalThis.structuredClone;
delete Promise.withResolvers;
delete String.prototype.isWellFormed;
for (const name of ["set", "append", "delete", "sort"]) {
  URLSearchParams.prototype[name] = () => {
    throw new Error(`URLSearchParams.${name} is not implemented`);
  };
}
