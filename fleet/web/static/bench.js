// The bench: draws each place as the station tells it, over the console's own stream, and sends what a person answers.
import { Stream } from "./stream.js";
import { Words } from "./words.js";

const $ = (id) => document.getElementById(id);
const page = JSON.parse($("page").textContent);
const words = new Words(page);
const places = new Map();
// Which answers each question offers: the first is the one that the keyboard finds.
const ANSWERS = { board: ["start"], again: ["again"], lamp: ["yes", "no"], vibration: ["yes", "no"], speaker: ["yes", "no"] };

function say(code, values = {}) {
  let found = words.of("say", code);
  for (const [name, value] of Object.entries(values)) found = found.replace(`{${name}}`, value);
  return found;
}

function make(tag, className = "", parent = null) {
  const element = document.createElement(tag);
  element.className = className;
  parent?.append(element);
  return element;
}

class Place {
  constructor(number) {
    this.number = number;
    const section = this.section = make("section", "place", $("bench"));
    section.setAttribute("aria-labelledby", `place-${number}`);
    const title = make("h2", "", section);
    title.id = `place-${number}`;
    title.textContent = say("place", { n: number });
    this.port = make("p", "port quiet code", section);
    this.hands = make("p", "hands", section);
    this.hands.setAttribute("role", "status");
    this.verdict = make("p", "verdict", section);
    this.reason = make("p", "reason quiet", section);
    this.keys = make("div", "keys-row", section);
    this.bar = make("progress", "", section);
    this.bar.setAttribute("aria-labelledby", title.id);
    this.steps = make("ol", "steps", section);
    this.count = make("p", "quiet", section);
    this.asked = null;
    this.shown = "";
  }

  draw(board) {
    this.section.dataset.state = board.state;
    this.section.dataset.hands = board.hands;
    this.port.textContent = [board.port, board.mac].filter(Boolean).join(" · ");
    put(this.hands, board.state === "failed" ? words.of("fault", board.fault) : words.of("hands", board.hands));
    const ended = board.state === "passed" || board.state === "failed";
    const unit = board.unit ? say("unit", { id: board.unit }) : "";
    put(this.verdict, ended ? [unit, say(board.state)].filter(Boolean).join(" ") : unit);
    this.#drawReason(board);
    const done = board.steps.filter(([, state]) => state === "done" || state === "kept").length;
    this.bar.max = Math.max(1, board.steps.length);
    this.bar.value = done;
    this.#drawSteps(board.steps);
    this.#drawKeys(board);
    put(this.count, board.passed ? say("many", { n: board.passed }) : "");
    if (board.state === "failed" && this.shown !== "failed") put($("shout"), `${say("place", { n: this.number })}: ${this.hands.textContent}`);
    this.shown = board.state;
  }

  // What the station said, in the page's language where it is one of its own sentences, else in English.
  #drawReason(board) {
    const [sentence, values] = board.said;
    const known = page.texts.reason[sentence];
    this.reason.firstChild ?? this.reason.append(make("span"), make("span"));
    const [lead, text] = this.reason.children;
    put(lead, board.reason ? `${say("reason")}: ` : "");
    put(text, known ? known.replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole) : board.reason);
    if (known) text.removeAttribute("lang");
    else text.lang = "en";
  }

  #drawSteps(steps) {
    while (this.steps.children.length > steps.length) this.steps.lastChild.remove();
    steps.forEach(([name, state], index) => {
      let item = this.steps.children[index];
      if (!item) {
        item = make("li", "", this.steps);
        make("span", "name", item);
        make("span", "how", item);
      }
      item.dataset.state = state;
      item.dataset.step = name;
      put(item.children[0], words.of("step", name));
      put(item.children[1], words.of("step_state", state));
    });
  }

  // Buttons stay while what they are for stays, so that focus is not lost under a finger.
  #drawKeys(board) {
    const wanted = `${board.asks} ${board.label}`;
    if (this.asked === wanted) return;
    const had = this.keys.contains(document.activeElement);
    this.asked = wanted;
    this.keys.replaceChildren();
    // The label is printed and put on before the next board comes.
    if (board.label) {
      const link = make("a", "button", this.keys);
      link.href = `/labels/${board.label}.pdf`;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = `${say("print")} ${board.label}`;
    }
    for (const [index, answer] of (ANSWERS[board.asks] ?? []).entries()) {
      const button = make("button", index ? "" : "main", this.keys);
      button.textContent = say(answer === "yes" || answer === "no" ? `${board.asks}_${answer}` : answer);
      button.addEventListener("click", () => send(`/places/${this.number}/answer`, { question: board.asks, answer }));
    }
    if (had) this.focus();
  }

  focus() {
    (this.keys.querySelector("button, a") ?? this.section).focus();
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  // 409: somebody else was first; the stream shows what is so.
  if (!answer.ok && answer.status !== 409) location.reload();
}

function draw(board) {
  if (!places.has(board.number)) places.set(board.number, new Place(board.number));
  places.get(board.number).draw(board);
}

function drawMade(made) {
  put($("made"), say("made", { n: made, of: page.ordered }));
  if (![...places.values()].every((place) => place.section.dataset.hands === "rest")) return;
  $("end").hidden = true;
  stream.finish();
}

const stream = new Stream(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`, {
  open: () => {},
  snapshot: (boards, frame) => {
    boards.forEach(draw);
    drawMade(frame.made);
  },
  change: (change) => {
    draw(change.board);
    drawMade(change.made);
  },
  around: () => {},
  beat: () => {},
  state: (state, at) => {
    $("contact").dataset.state = state;
    const known = { ok: words.text("contact_ok"), lost: words.text("contact_lost"), again: words.text("contact_again"), ended: words.text("contact_lost"), finished: words.of("hands", "rest") };
    put($("contact-word"), known[state] ?? words.text("contact_unknown"));
    const lost = state === "lost" || state === "ended";
    $("loss").hidden = !lost;
    put($("loss"), lost ? `${words.text("contact_lost")} ${words.time(at, Date.now())}` : "");
  },
}, Date.now());

$("end").addEventListener("click", () => send("/end", {}));
document.addEventListener("keydown", (event) => {
  const number = Number(event.code.replace("Digit", ""));
  if (!event.altKey || !places.has(number)) return;
  event.preventDefault();
  places.get(number).focus();
});
const watchdog = new Worker("/static/watchdog-worker.js");
watchdog.onmessage = () => stream.tick();
stream.tick();
