import { setImmediate as nextTurn } from "node:timers/promises";

/** A clock that only moves when `advance` is called; `random` always returns `luck`. */
export class FakeClock {
  #now = 1_700_000_000_000;
  #timers = new Set();
  luck = 0.5;

  now = () => this.#now;
  random = () => this.luck;

  after = (ms, callback) => {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Moves on by `ms` milliseconds, and runs timers that are due, in order. */
  async advance(ms) {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
      await settled();
    }
    this.#now = end;
  }
}

/** Waits until no promise can make progress. */
export async function settled() {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}
