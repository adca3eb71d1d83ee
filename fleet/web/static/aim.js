// Tells a press that was aimed at a row from one whose row slid under the pointer an instant before.

const SETTLED_MS = 400; // long enough to see where the rows are now
const REST_MS = 50; // a pointer in motion reports more often than this

export class Aim {
  constructor(target) {
    this.row = null; // the row under the pointer, and since when
    this.since = 0;
    this.motionBegan = 0;
    this.lastMotion = 0;
    this.place = null;
    target.addEventListener("pointermove", (event) => this.#moved(event));
    target.addEventListener("pointerover", (event) => this.#over(event));
  }

  // Whether a click is meant for this row, which last moved at `movedAt`. Keys always are: they act on the focus.
  isMeant(event, element, movedAt) {
    const now = performance.now();
    if (event.detail === 0 || now - movedAt >= SETTLED_MS) return true;
    const wasThere = this.row === element && this.since < movedAt;
    return wasThere || this.motionBegan > movedAt;
  }

  #moved(event) {
    const place = `${event.clientX},${event.clientY}`;
    if (place === this.place) return; // the browser's own, after the layout changed under a pointer at rest
    const now = performance.now();
    if (now - this.lastMotion > REST_MS) this.motionBegan = now;
    this.lastMotion = now;
    this.place = place;
  }

  #over(event) {
    const row = event.target.closest?.(".case") ?? null;
    if (row === this.row) return;
    this.row = row;
    this.since = performance.now();
  }
}
