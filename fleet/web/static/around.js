// What stands around a case, as lines of its row: where it was sent, who was told, what comes next and when.

const LATE_STEP_MS = 10000; // steps are taken within a second or two: later than this somebody must act
const LOW_PERCENT = 20;

function line(kind, text) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  return element;
}

// The lines for a case as it is now. `now` is the server's clock.
export function linesOf(entry, around, words, now) {
  const lines = [];
  const time = (iso) => words.time(Date.parse(iso), now);
  if (around?.moved && entry.state === "open") {
    const { at, from, to, why } = around.moved;
    lines.push(["moved", words.text(why === "refused" ? "moved_refused" : "moved_silent", { time: time(at), who: from, to })]);
  }
  if (entry.state === "open" && entry.responsible && entry.responsible !== entry.accepted_by) {
    lines.push(["responsible", words.text("responsible", { who: entry.responsible })]);
  }
  if (entry.state === "open" && entry.accepted_at !== null && entry.reports_taken === "none") {
    lines.push(["never", words.text("never_taken", { who: entry.responsible ?? entry.accepted_by })]);
  }
  const people = (around?.told ?? []).filter((one) => one.told || one.trying);
  const missed = people.filter((one) => one.trying && one.tries > 1);
  const told = people.filter((one) => !missed.includes(one)).map((one) => toldText(one, words, time));
  if (missed.length) lines.push(["untold", missed.map((one) => toldText(one, words, time)).join(" · ")]);
  if (told.length) lines.push(["told", words.text("told_whom", { list: told.join(" · ") })]);
  if (entry.state === "open" && entry.escalated_place !== null) {
    const { at = null, to = [], nobody = [] } = around?.escalated ?? {};
    if (at !== null) {
      const missing = nobody.map((who) => words.text("told_nobody", { who: words.of("role", who) }));
      const whom = [...to.map((who) => words.of("role", who)), ...missing].join(", ");
      lines.push(["escalation", words.text(to.length ? "escalated_to" : "escalated_nobody", { time: time(at), to: whom })]);
    }
  }
  if (entry.state === "open" && around) lines.push(...nextStep(entry, around.next, words, now));
  return lines;
}

function toldText(one, words, time) {
  const who = words.of("role", one.who);
  if (one.trying === 0) return words.text("told_at", { who, time: time(one.at) });
  return one.tries > 1 ? words.text("told_trying", { who, n: one.tries }) : words.text("told_waiting", { who });
}

function nextStep(entry, next, words, now) {
  if (next === null) {
    return entry.escalated_place !== null && entry.reports_taken !== "none" ? [["next", words.text("next_none")]] : [];
  }
  const to = next.tell.map((who) => words.of("role", who)).join(", ");
  const left = Date.parse(next.at) - now;
  if (left < -LATE_STEP_MS) return [["late", words.text("next_late", { to, age: words.age(-left) })]];
  return next.place > 1 ? [["next", words.text("next_step", { to, age: words.age(left) })]] : [];
}

// Puts the lines into an element; what is the same stays, so that a countdown changes one text a second.
export function putLines(element, lines) {
  const same = element.children.length === lines.length
    && lines.every(([kind], index) => element.children[index].className === kind);
  if (!same) {
    element.replaceChildren(...lines.map(([kind, text]) => line(kind, text)));
    return;
  }
  lines.forEach(([, text], index) => {
    if (element.children[index].textContent !== text) element.children[index].textContent = text;
  });
}

// The moments of repeated presses after the first, newest last.
export function againText(entry, around, words, now) {
  const [, ...again] = entry.presses > 1 ? (around?.pressed ?? []) : [];
  if (!again.length) return "";
  const times = again.slice(-3).map((iso) => words.time(Date.parse(iso), now)).join(", ");
  const risen = entry.priority === 1 && entry.unit_type !== "personal" && ![2, 3].includes(entry.kind);
  return [words.text("pressed_again", { times }), ...(risen ? [words.text("risen")] : [])].join(": ");
}

// Which way the newest press came, how full the battery is, and whether that is low.
export function wayText(around, words) {
  return around === null || around.bearer === null ? "" : words.of("bearer", around.bearer);
}

export function powerText(around, words) {
  return around === null || around.battery === null ? ""
    : words.text(isLow(around) ? "battery_low" : "battery", { n: around.battery });
}

export function isLow(around) {
  return around !== null && around.battery !== null && around.battery <= LOW_PERCENT;
}
