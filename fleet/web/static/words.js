// Words, moments and ages in the page's language.

const DATELESS_MS = 12 * 3600 * 1000;

export class Words {
  constructor(page) {
    this.texts = page.texts;
    this.clock = new Intl.DateTimeFormat(page.language, {
      timeZone: page.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    });
    this.day = new Intl.DateTimeFormat("sv", { timeZone: page.zone, dateStyle: "short" });
  }

  text(key, values = {}) {
    let found = this.texts[key];
    for (const [name, value] of Object.entries(values)) found = found.replace(`{${name}}`, value);
    return found;
  }

  of(table, code) {
    return this.texts[table][code] ?? String(code);
  }

  priority(number) {
    return `${number} ${this.texts.priority[number] ?? this.text("priority_other")}`;
  }

  kind(number) {
    return this.texts.kind[number] ?? this.text("kind_unknown", { n: number });
  }

  input(number) {
    if (number === null) return "";
    return number === 0 ? this.text("own_button") : this.text("pendant", { n: number });
  }

  // HH:MM:SS, with the date in front where the clock alone could mean another day.
  time(moment, now) {
    const clock = this.clock.format(moment);
    return Math.abs(now - moment) < DATELESS_MS ? clock : `${this.day.format(moment)} ${clock}`;
  }

  age(milliseconds, exact = true) {
    const s = Math.max(0, Math.floor(milliseconds / 1000));
    if (s < 60) return this.text("age_seconds", { s });
    if (s < 3600 && !exact) return this.text("age_only_minutes", { m: Math.floor(s / 60) });
    if (s < 3600) return this.text("age_minutes", { m: Math.floor(s / 60), s: String(s % 60).padStart(2, "0") });
    if (s < 86400) return this.text("age_hours", { h: Math.floor(s / 3600), m: String(Math.floor((s % 3600) / 60)).padStart(2, "0") });
    return this.text("age_days", { d: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
  }

  // One line that names a case, for what is spoken and for labels.
  name(entry) {
    const what = [this.priority(entry.priority), this.kind(entry.kind), this.text("unit", { id: entry.unit }), entry.municipality];
    return what.join(", ");
  }
}
