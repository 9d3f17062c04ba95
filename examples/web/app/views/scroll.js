/** ScrollKeeper — where a list that grows at both ends stays while it is drawn. */

const NEAR_PX = 80;

export class ScrollKeeper {
  #scroller;
  #list;
  #atEnd = true;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list inside it
   */
  constructor(scroller, list) {
    this.#scroller = scroller;
    this.#list = list;
    // A keyboard that opens, or a field that grows, must not hide the end from who was reading it.
    new ResizeObserver(() => this.#atEnd && this.toEnd()).observe(scroller);
  }

  get isAtStart() {
    return this.#scroller.scrollTop < NEAR_PX;
  }

  get isAtEnd() {
    return this.#atEnd;
  }

  /** Whether everything fits without scrolling. */
  get hasRoom() {
    return this.#scroller.scrollHeight <= this.#scroller.clientHeight;
  }

  /** Call it when the user scrolled. */
  onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  toEnd(behavior = "instant") {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
    this.#atEnd = true;
  }

  /** Draws, then shows the end if that was on screen and is to stay so, and else what was on screen. */
  around(draw, staysAtEnd = true) {
    if (this.#atEnd && staysAtEnd) {
      draw();
      return this.toEnd();
    }
    const top = this.#scroller.scrollTop;
    const anchor = [...this.#list.children].find((node) => node.offsetTop + node.offsetHeight > top);
    const before = anchor?.offsetTop ?? 0;
    draw();
    if (anchor?.isConnected) this.#scroller.scrollTop = top + anchor.offsetTop - before;
  }
}
