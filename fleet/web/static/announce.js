// What a screen reader is told: at most one sentence each 1.5 s, the rest counted as "and N more".

const PAUSE_MS = 1500;

export class Announcer {
  constructor(polite, assertive, more) {
    this.regions = { polite, assertive };
    this.more = more;
    this.waiting = { polite: [], assertive: [] };
    this.spokenAt = -PAUSE_MS;
  }

  say(text, urgent = false) {
    this.waiting[urgent ? "assertive" : "polite"].push(text);
    this.tick();
  }

  tick() {
    if (performance.now() - this.spokenAt < PAUSE_MS) return;
    for (const tone of ["assertive", "polite"]) {
      const [first, ...rest] = this.waiting[tone];
      if (first === undefined) continue;
      this.regions[tone].textContent = rest.length ? `${first}, ${this.more(rest.length)}` : first;
      this.waiting[tone] = [];
      this.spokenAt = performance.now();
      return;
    }
  }
}
