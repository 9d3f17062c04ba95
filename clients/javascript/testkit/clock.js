import { setImmediate as nextTurn } from "node:timers/promises";

/** A clock that stands still until it is told to move; chance always gives `luck`. */
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

  /** Moves on by `ms`, running what falls due in order, and what follows from it. */
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

/** Lets every promise that can go on do so. */
export async function settled() {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}
