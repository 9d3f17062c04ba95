/**
 * Time and random numbers in one object, so that tests can replace both.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds since the epoch
 * @property {(ms: number, callback: () => void) => () => void} after calls back once, later; the result cancels it
 * @property {() => number} random uniform in [0, 1)
 */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  after(ms, callback) {
    // A longer timer would end at once.
    const timer = setTimeout(callback, Math.min(ms, 2e9));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/**
 * A promise that resolves after `ms` milliseconds of `clock`.
 *
 * @param {Clock} clock
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function pause(clock, ms) {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
