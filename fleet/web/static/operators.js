// The operators' queue: puts stream, queue, rows, sound and keys together.
import { Aim } from "./aim.js";
import { Announcer } from "./announce.js";
import { Queue, isEscalated, since } from "./queue.js";
import { Row } from "./row.js";
import { Sound } from "./sound.js";
import { Stream } from "./stream.js";
import { Words } from "./words.js";

const $ = (id) => document.getElementById(id);
const page = JSON.parse($("page").textContent);
const words = new Words(page);
const queue = new Queue();
const rows = new Map();
const aim = new Aim(document);
const announcer = new Announcer($("say"), $("shout"), (n) => words.text("and_more", { n }));
const REPEAT_MS = { 1: 4000, 2: 8000, 3: 30000 }; // technical alarms make no sound
const BUSY_REPEAT_MS = 15000; // softer and rarer for somebody who is already talking to a person
const LOSS_REPEAT_MS = 5000;
const ANSWER_MS = 8000;
const EVENT_MS = 3000;
const HINT_MS = 15000;
const ENDS_SOON_MS = 15 * 60 * 1000;
let soundedAt = -Infinity;
let soundedFor = null;
let manned = false;
let ready = false;
let drawn = false;

const sound = new Sound(() => drawSound());
const stream = new Stream(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`, {
  open: () => stream.send({ manned }),
  snapshot: (cases) => {
    const fresh = queue.snapshot(cases);
    if (ready) for (const id of fresh) tellOpened(queue.cases.get(id), "new_alarm");
    ready = true;
    draw();
    painted();
  },
  change: (change) => {
    const known = queue.apply(change.case);
    tell(change, known);
    draw();
    painted();
  },
  around: (cases) => {
    queue.surround(cases);
    draw();
  },
  beat: () => painted(),
  state: (state, at) => drawContact(state, at),
}, Date.now());

// Receipts: only what a frame has really shown, so a hidden tab sends none.
let paintAsked = false;
function painted() {
  if (paintAsked) return;
  paintAsked = true;
  requestAnimationFrame(() => setTimeout(() => {
    paintAsked = false;
    stream.send({ seen: stream.cursor });
  }));
}

// --- drawing -------------------------------------------------------------------------------------------------------

// Notes which rows have slid to another place while something was drawn.
function marking(draws) {
  const tops = new Map([...rows.values()].map((row) => [row, row.element.getBoundingClientRect().top]));
  draws();
  for (const row of rows.values()) if (row.element.getBoundingClientRect().top !== tops.get(row)) row.movedAt = performance.now();
}

function draw() {
  marking(drawRows);
  ring();
}

function drawRows() {
  const focused = document.activeElement;
  const home = focused?.closest?.(".case");
  const neighbours = home ? [...document.querySelectorAll(".case")] : [];
  for (const [id, row] of rows) {
    if (!queue.cases.has(id)) {
      row.element.remove();
      rows.delete(id);
    }
  }
  place($("waiting"), queue.waiting());
  place($("taken"), queue.taken());
  keepFocus(focused, home, neighbours);
  drawn = ready;
  drawSummary();
}

function place(list, cases) {
  cases.forEach((entry, index) => {
    let row = rows.get(entry.id);
    if (!row) {
      row = new Row(entry, words, page.me, Object.keys(page.texts.outcome), {
        take, close, isMeant: (...press) => aim.isMeant(...press),
      });
      rows.set(entry.id, row);
      if (drawn) row.element.classList.add("new");
    } else if (row.entry !== entry) {
      if (row.pending?.state !== entry.state) row.pending = null; // a repeated press does not answer a take
      if (row.pending === null) row.say("");
      row.now = stream.serverNow();
      row.update(entry);
    }
    row.around = queue.around.get(entry.id) ?? null;
    const there = list.children[index] ?? null;
    if (there === row.element) return;
    if (row.element.isConnected && list.moveBefore) list.moveBefore(row.element, there);
    else list.insertBefore(row.element, there);
  });
}

function keepFocus(focused, home, neighbours) {
  if (home && document.activeElement !== focused) {
    if (focused.isConnected && !focused.hidden) focused.focus({ preventScroll: true });
    else {
      const at = neighbours.indexOf(home);
      const next = [...neighbours.slice(at), ...neighbours.slice(0, at).reverse()].find((item) => item.isConnected);
      (next ?? $("waiting-title")).focus({ preventScroll: true });
    }
  }
  const current = document.activeElement?.closest?.(".case") ?? document.querySelector('.case[tabindex="0"]');
  reach(current ?? document.querySelector(".case"));
}

// One row is in the tab order; the arrows choose which.
function reach(element) {
  for (const other of document.querySelectorAll('.case[tabindex="0"]')) if (other !== element) other.tabIndex = -1;
  if (element) element.tabIndex = 0;
}

function drawSummary() {
  const waiting = queue.waiting();
  const counts = queue.counts();
  for (const item of document.querySelectorAll(".counts li")) {
    const n = counts.get(Number(item.dataset.priority)) ?? 0;
    item.querySelector(".count").textContent = ready ? n : "–";
    item.dataset.some = n > 0;
  }
  $("waiting-count").textContent = ready ? `(${waiting.length})` : "";
  $("taken-count").textContent = ready ? `(${queue.taken().length})` : "";
  $("waiting-empty").hidden = waiting.length > 0;
  $("taken-empty").hidden = !ready || queue.taken().length > 0;
  drawAges();
  drawTitle();
}

function drawAges() {
  const now = stream.serverNow();
  for (const row of rows.values()) row.tick(now);
  const oldest = queue.oldest();
  $("oldest").dataset.priority = oldest?.priority ?? "";
  const age = oldest ? words.age(now - since(oldest)) : ready ? words.text("oldest_none") : "–";
  if ($("oldest-age").textContent !== age) $("oldest-age").textContent = age;
  const what = oldest ? `${words.priority(oldest.priority)} · ${oldest.municipality} · ${oldest.unit}` : "";
  if ($("oldest-what").textContent !== what) $("oldest-what").textContent = what;
  if (stream.state === "ok" && ready) $("waiting-empty").textContent = $("empty-texts").dataset.none;
}

function drawTitle() {
  const n = queue.waiting().length;
  const bad = stream.state === "lost" || stream.state === "ended";
  const what = bad ? `✖ ${words.text("loss_title")}` : n ? `● ${words.text("waiting_title", { n })}` : words.text("none_title");
  const title = `${!bad && stream.state !== "ok" ? "… " : ""}${what} – Livlina`;
  if (document.title !== title) document.title = title;
}

function banner(id, ...lines) {
  const element = $(id);
  element.hidden = lines.length === 0;
  element.replaceChildren(...lines.map((line) => {
    if (line instanceof Node) return line;
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

function drawContact(state, at) {
  const name = { ok: "contact_ok", lost: "contact_lost", ended: "contact_lost", again: "contact_again" }[state];
  $("contact").dataset.state = state;
  $("contact").querySelector(".word").textContent = words.text(name ?? "contact_unknown");
  document.body.dataset.contact = state;
  if (state === "lost") {
    banner("loss", words.text("loss", { time: words.time(at, Date.now()) }), words.text("loss_do"));
  } else if (state === "ended") {
    const link = document.createElement("a");
    link.href = "/login?next=/operators";
    link.textContent = words.text("logged_out_do");
    banner("loss", words.text("logged_out"), link);
  } else if (state === "ok") {
    if (!$("loss").hidden) announcer.say(words.text("said_back"), true);
    banner("loss");
  }
  soundedAt = state === "lost" || state === "ended" ? -Infinity : soundedAt;
  ring();
  drawAges();
  drawTitle();
}

function drawSound() {
  const on = sound.on;
  const focused = document.activeElement;
  $("sound").textContent = on ? words.text("sound_on") : "";
  $("sound-fault").textContent = words.text(sound.possible ? "sound_off" : "sound_none");
  $("shift").textContent = words.text(manned ? "shift_restore" : "shift_start");
  $("shift").hidden = !sound.possible;
  $("sound-off").hidden = on;
  $("shift-end").hidden = !on;
  if (focused === $("shift") && on) $("shift-end").focus();
  if (focused === $("shift-end") && !on) $("shift").focus();
}

function hint(text) {
  $("hint").textContent = text;
  setTimeout(() => {
    if ($("hint").textContent === text) $("hint").textContent = "";
  }, HINT_MS);
}

// --- telling -------------------------------------------------------------------------------------------------------

function tell(change, known) {
  const entry = change.case;
  const what = words.name(entry);
  const reopened = known?.state === "taken" && entry.state === "open"; // pressed again: whoever had it must look again
  if (reopened) tellOpened(entry, "again_alarm", true);
  else if (change.change === "opened" && entry.state === "open" && !known) tellOpened(entry, "new_alarm");
  else if (change.change === "repeated" && entry.state === "open") tellOpened(entry, "again_alarm");
  else if (change.change === "escalated") tellOpened(entry, "escalated_alarm", true);
  else if (change.change === "refused") announcer.say(`${words.text("refused_alarm", { who: entry.refused_by ?? change.actor })}: ${what}`, true);
  else if (change.change === "taken" && change.actor !== page.me) announcer.say(words.text("said_taken", { who: change.actor, what }));
  else if (change.change === "closed" && change.actor !== page.me) announcer.say(words.text("said_closed", { who: change.actor, what }));
}

function tellOpened(entry, key, urgent = false) {
  if (entry.state !== "open") return;
  announcer.say(`${words.text(key)}: ${words.name(entry)}`, urgent || entry.priority === 1);
  soundedFor = null; // sounds at once, whatever the pause
}

// Sounds for the most urgent case that nobody has taken, and for lost contact before all.
function ring() {
  const now = performance.now();
  if (stream.state === "lost" || stream.state === "ended") {
    if (now - soundedAt >= LOSS_REPEAT_MS && sound.play("loss")) soundedAt = now;
    return;
  }
  const loudness = queue.loudness();
  if (!REPEAT_MS[loudness]) return;
  // Nothing softens an escalated case: nobody has come, however busy this console is.
  const busy = queue.taken().some((entry) => entry.taken_by === page.me) && !queue.waiting().some(isEscalated);
  const due = now - soundedAt >= (busy ? BUSY_REPEAT_MS : REPEAT_MS[loudness]);
  const first = queue.waiting().find((entry) => isEscalated(entry) || entry.priority === loudness);
  const sounded = `${first.id}:${loudness}`;
  if ((due || (soundedFor !== sounded && now - soundedAt >= 1000)) && sound.play(busy && loudness > 1 ? "soft" : loudness)) {
    soundedAt = now;
    soundedFor = sounded;
  }
}

// --- acting --------------------------------------------------------------------------------------------------------

function take(row) {
  return send(row, "take", {});
}

function close(row, outcome) {
  return send(row, "close", { outcome });
}

async function send(row, action, body) {
  if (row.pending !== null) return;
  const { id, state } = row.entry;
  const pending = { action, state };
  row.pending = pending;
  row.say("");
  if (action === "close") row.cancel();
  row.settle();
  try {
    const answer = await fetch(`/api/cases/${id}/${action}`, {
      method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body), signal: AbortSignal.timeout(ANSWER_MS),
    });
    const told = await answer.json();
    if (answer.ok) {
      // The button stays as it is until the event comes; without a stream the answer has to do.
      setTimeout(() => settleWithout(row, told, pending), stream.state === "ok" ? EVENT_MS : 0);
      return;
    }
    failed(row, answer.status, told);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof SyntaxError || error instanceof DOMException)) throw error;
    failed(row, 0, {});
  }
}

function settleWithout(row, told, pending) {
  if (row.pending !== pending) return;
  row.pending = null;
  queue.apply(told);
  draw();
}

function failed(row, status, told) {
  row.pending = null;
  row.settle();
  if (status === 409 && told.case.state === "closed") row.say(words.text("already_closed", { who: told.case.closed_by }));
  else if (status === 409 && told.case.taken_by === page.me) row.say("");
  else if (status === 409 && told.case.state === "taken") row.say(words.text("first", { who: told.case.taken_by }));
  else if (status === 409) row.say(words.text("take_first"));
  else if (status === 0 || status >= 500) row.say(words.text("not_done"));
  else row.say(words.text("not_allowed", { detail: told.detail }));
  if (status === 409) {
    hint(row.fault.textContent); // stays when the row goes
    if (stream.state !== "ok") {
      queue.apply(told.case);
      draw();
    }
  }
}

// --- keys ----------------------------------------------------------------------------------------------------------

function step(by) {
  const all = [...document.querySelectorAll(".case")];
  const at = all.indexOf(document.activeElement?.closest?.(".case"));
  const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (next) {
    reach(next);
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || $("help").open) return;
  // A field of the help that has just been closed may still hold the focus for an instant.
  if (event.target.closest("input, textarea, select")?.checkVisibility()) return;
  const row = rows.get(Number(document.activeElement?.closest?.(".case")?.dataset.case));
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.key.length === 1 && !$("keys").checked) return;
  const choosing = row && !row.choices.hidden;
  if (key === "ArrowDown" || key === "j") choosing && key === "ArrowDown" ? chooseStep(row, 1) : step(1);
  else if (key === "ArrowUp" || key === "k") choosing && key === "ArrowUp" ? chooseStep(row, -1) : step(-1);
  else if (key === "Escape" && choosing) row.cancel();
  else if (key === "?") $("help").showModal();
  else if (key === "t" && !event.repeat) row ? row.entry.state === "open" && take(row) : step(0);
  else if (key === "c" && !event.repeat) row ? (row.entry.state === "taken" ? row.choose() : row.say(words.text("take_first"))) : step(0);
  else return;
  event.preventDefault();
}

function chooseStep(row, by) {
  const buttons = [...row.choices.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  buttons[(at + by + buttons.length) % buttons.length].focus();
}

// --- start ---------------------------------------------------------------------------------------------------------

async function shift() {
  if (sound.on) {
    manned = false;
    await sound.stop();
  } else {
    manned = true;
    await sound.start();
    if (sound.on) hint(words.text("heard"));
  }
  stream.send({ manned });
  sessionStorage.setItem("manned", String(manned));
  drawSound();
  ring();
}

function tick() {
  stream.tick();
  announcer.tick();
  marking(drawAges); // a line that is due makes a row taller
  ring();
  const left = Date.parse(page.session_ends) - stream.serverNow();
  if (left < ENDS_SOON_MS && $("ends").hidden && stream.state !== "ended") {
    banner("ends", words.text("ends_soon", { time: words.time(Date.parse(page.session_ends), Date.now()) }));
  }
}

function watch() {
  const worker = new Worker("/static/watchdog-worker.js");
  worker.onmessage = tick;
  worker.onerror = () => banner("ends", words.text("watchdog_dead"));
}

manned = sessionStorage.getItem("manned") === "true";
$("keys").checked = localStorage.getItem("single_keys") !== "off";
$("keys").addEventListener("change", () => localStorage.setItem("single_keys", $("keys").checked ? "on" : "off"));
$("shift").addEventListener("click", shift);
$("shift-end").addEventListener("click", shift);
$("help-open").addEventListener("click", () => $("help").showModal());
document.addEventListener("keydown", onKey);
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.(".case");
  if (row) reach(row);
});
setInterval(tick, 1000); // in case the worker dies: a visible tab is still watched
watch();
drawSound();
drawSummary();
tick();
