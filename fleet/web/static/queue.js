// The cases as the page knows them: pure data, no drawing. Applying the same news twice changes nothing.

export class Queue {
  constructor() {
    this.cases = new Map();
    this.around = new Map(); // what stands around them, by case; told apart from the cases
  }

  // Replaces everything. Returns the ids that are new to us.
  snapshot(cases) {
    const before = new Set(this.cases.keys());
    cases = cases.filter((entry) => !entry.test);
    this.cases = new Map(cases.map((entry) => [entry.id, entry]));
    for (const id of this.around.keys()) if (!this.cases.has(id)) this.around.delete(id);
    return cases.filter((entry) => !before.has(entry.id)).map((entry) => entry.id);
  }

  // Applies a case as it is now. Older news than what we have is left out. Returns what we knew before, or null.
  apply(entry) {
    const known = this.cases.get(entry.id) ?? null;
    if (known && known.position > entry.position) return known;
    if (entry.state === "closed" || entry.test) {
      this.cases.delete(entry.id);
      this.around.delete(entry.id);
    } else this.cases.set(entry.id, entry);
    return known;
  }

  // What stands around some cases, as it is now.
  surround(around) {
    for (const [id, value] of Object.entries(around)) this.around.set(Number(id), value);
  }

  waiting() {
    return this.#sorted("open");
  }

  taken() {
    return this.#sorted("taken");
  }

  // How urgently to sound: an escalated case is as loud as an acute one. 9 where nobody waits.
  loudness() {
    return Math.min(9, ...this.waiting().map((entry) => (isEscalated(entry) ? 1 : entry.priority)));
  }

  // The case that has waited longest, whatever its priority; null where nobody waits.
  oldest() {
    return this.waiting().reduce((found, entry) => (found && since(found) <= since(entry) ? found : entry), null);
  }

  counts() {
    const found = new Map();
    for (const entry of this.waiting()) found.set(entry.priority, (found.get(entry.priority) ?? 0) + 1);
    return found;
  }

  // Most urgent first, then oldest first.
  #sorted(state) {
    return [...this.cases.values()]
      .filter((entry) => entry.state === state)
      .sort((a, b) => a.priority - b.priority || Date.parse(a.opened_at) - Date.parse(b.opened_at) || a.id - b.id);
  }
}

// Since when the person has waited: the press if it is known, else when we received it.
export function since(entry) {
  const received = Date.parse(entry.opened_at);
  return entry.pressed_at === null ? received : Math.min(received, Date.parse(entry.pressed_at));
}

export function isEscalated(entry) {
  return entry.state === "open" && entry.escalated_place !== null;
}
