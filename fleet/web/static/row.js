// One case as a row. Elements are made once and changed in place, so that focus and a half-made choice survive news.
import { againText, isLow, linesOf, powerText, putLines, wayText } from "./around.js";
import { isEscalated, since } from "./queue.js";

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Row {
  // act: {take(row), close(row, outcome), isMeant(event, element, movedAt)}
  constructor(entry, words, me, outcomes, act) {
    this.words = words;
    this.me = me;
    this.act = act;
    this.pending = null; // {action, state} while the server is asked
    this.movedAt = 0;
    this.around = null; // not yet known
    this.#build(outcomes);
    this.update(entry);
  }

  #build(outcomes) {
    const words = this.words;
    this.priority = make("span", { class: "word" });
    this.escalated = make("strong", { class: "escalated" });
    this.kind = make("strong", { class: "kind" });
    this.input = make("span", { class: "input" });
    this.presses = make("span", { class: "presses" });
    this.unit = make("span", { class: "code" });
    this.place = make("span");
    this.type = make("span");
    this.way = make("span", { class: "way" });
    this.power = make("span", { class: "power" });
    this.marks = make("ul", { class: "marks" });
    this.when = make("span", { class: "quiet" });
    this.again = make("p", { class: "again" });
    this.age = make("strong", { class: "age" });
    this.centre = make("p", { class: "centre" });
    this.lines = make("div", { class: "around" });
    this.who = make("p", { class: "who" });
    this.fault = make("p", { class: "row-fault", role: "status" });
    this.takeButton = make("button", { type: "button", class: "main take" });
    this.closeButton = make("button", { type: "button", class: "close", "aria-expanded": "false" });
    const quiet = make("span", { class: "unseen" }, ` (${words.text("new_tab")})`);
    this.history = make("a", { target: "_blank", rel: "noopener", class: "history" }, words.text("history"), quiet);
    this.choices = make("div", { class: "choices", role: "group", "aria-label": words.text("close_as"), hidden: "" });
    this.choices.append(make("p", { "aria-hidden": "true" }, words.text("close_as")));
    for (const outcome of outcomes) {
      const button = make("button", { type: "button", "data-outcome": outcome }, words.of("outcome", outcome));
      button.addEventListener("click", (event) => this.#deliberate(event) && this.act.close(this, outcome));
      this.choices.append(button);
    }
    const cancel = make("button", { type: "button", class: "plain" }, words.text("cancel"));
    cancel.addEventListener("click", () => this.cancel());
    this.choices.append(cancel);
    this.takeButton.addEventListener("click", (event) => this.#deliberate(event) && this.act.take(this));
    this.closeButton.addEventListener("click", (event) => this.#deliberate(event) && this.choose());
    this.element = make("li", { class: "case", tabindex: "-1" },
      make("div", { class: "urgency" }, make("span", { class: "shape", "aria-hidden": "true" }), this.priority, this.escalated),
      make("div", { class: "what" },
        make("p", { class: "headline" }, this.kind, " ", this.input, " ", this.presses),
        make("p", { class: "where" }, this.place, " · ", this.type, " ", this.unit, " ", this.way, " ", this.power),
        this.again,
        this.marks),
      make("div", { class: "since" }, this.age, " ", this.when),
      make("div", { class: "stand" }, this.centre, this.lines, this.who),
      make("div", { class: "actions" }, this.takeButton, this.closeButton, this.history),
      this.choices, this.fault);
  }

  update(entry) {
    const words = this.words;
    this.entry = entry;
    const element = this.element;
    element.id = `case-${entry.id}`;
    element.dataset.case = entry.id;
    element.dataset.priority = entry.priority;
    element.dataset.state = entry.state;
    element.dataset.escalated = isEscalated(entry);
    element.dataset.mine = entry.taken_by === this.me;
    put(this.priority, words.priority(entry.priority));
    put(this.escalated, element.dataset.escalated === "true" ? words.text("escalated") : "");
    put(this.kind, words.kind(entry.kind));
    put(this.input, words.input(entry.input));
    put(this.presses, entry.presses > 1 ? words.text("press_many", { n: entry.presses }) : "");
    put(this.unit, entry.unit);
    put(this.place, entry.municipality);
    put(this.type, words.of("unit_type", entry.unit_type));
    const codes = [...entry.marks].sort((a, b) => (b === "silent") - (a === "silent")); // what must not be missed first
    const marks = codes.map((mark) => words.of("mark", mark));
    if (marks.join("|") !== [...this.marks.children].map((item) => item.textContent).join("|")) {
      this.marks.replaceChildren(...codes.map((mark) => make("li", { "data-mark": mark }, words.of("mark", mark))));
    }
    this.marks.hidden = marks.length === 0;
    const refused = entry.refused_by !== null && entry.accepted_at === null;
    this.centre.dataset.state = entry.accepted_at !== null ? "accepted" : refused ? "refused" : "waiting";
    put(this.centre, entry.accepted_at !== null ? words.text("centre_accepted", { who: entry.accepted_by })
      : refused ? words.text("centre_refused", { who: entry.refused_by }) : words.text("centre_waiting"));
    this.history.href = `/operators/cases/${entry.id}`;
    if (entry.state !== "taken") this.cancel(false);
    element.setAttribute("aria-label", words.name(entry));
    this.settle();
    this.tick(this.now ?? Date.now());
  }

  // Buttons after news: what can be done now.
  settle() {
    const words = this.words;
    const open = this.entry.state === "open";
    this.#moveFocusBefore(open ? this.closeButton : this.takeButton, this.pending !== null);
    this.takeButton.hidden = !open;
    this.closeButton.hidden = open;
    for (const button of this.element.querySelectorAll("button")) {
      if (this.pending === null) button.removeAttribute("aria-disabled");
      else button.setAttribute("aria-disabled", "true");
    }
    put(this.takeButton, words.text(this.pending?.action === "take" ? "taking" : "take"));
    put(this.closeButton, words.text(this.pending?.action === "close" ? "closing" : "close"));
  }

  // A button that is about to vanish hands its focus to the row.
  #moveFocusBefore(button, pending) {
    if (!pending && document.activeElement === button) this.element.focus({ preventScroll: true });
  }

  tick(now) {
    const { words, entry } = this;
    this.now = now;
    const began = since(entry);
    put(this.age, words.age(now - began));
    const late = Date.parse(entry.opened_at) - began;
    const time = words.time(began, now);
    put(this.when, entry.pressed_at === null && entry.marks.includes("late") ? words.text("pressed_before", { time })
      : entry.marks.includes("late") ? words.text("pressed_late", { time, age: words.age(late, false) })
      : words.text("pressed", { time }));
    put(this.again, againText(entry, this.around, words, now));
    put(this.way, wayText(this.around, words));
    put(this.power, powerText(this.around, words));
    this.power.dataset.low = isLow(this.around);
    putLines(this.lines, linesOf(entry, this.around, words, now));
    const taken = entry.taken_at === null ? "" : words.time(Date.parse(entry.taken_at), now);
    const before = entry.taken_before_by ? words.text("before", { who: entry.taken_before_by }) : "";
    put(this.who, entry.state === "open" ? before
      : entry.taken_by === this.me ? words.text("mine", { time: taken })
      : words.text("theirs", { who: entry.taken_by, time: taken }));
  }

  say(text) {
    put(this.fault, text);
  }

  choose() {
    if (this.pending !== null || this.entry.state !== "taken") return;
    this.choices.hidden = false;
    this.closeButton.setAttribute("aria-expanded", "true");
    this.choices.querySelector("button").focus();
  }

  cancel(focus = true) {
    if (this.choices.hidden) return;
    const inside = this.choices.contains(document.activeElement);
    this.choices.hidden = true;
    this.closeButton.setAttribute("aria-expanded", "false");
    if (focus || inside) this.element.focus({ preventScroll: true });
  }

  // False while an earlier press is under way, and for a press on a row that slid under the pointer.
  #deliberate(event) {
    if (this.pending !== null) return false;
    if (this.act.isMeant(event, this.element, this.movedAt)) return true;
    this.say(this.words.text("rows_moved"));
    return false;
  }
}
