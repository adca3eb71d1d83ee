// The pairing page: keeps what was typed, sends it once there is contact, and follows the pairing until it is proven.
import { all, drop, keep, newKey } from "./pairing-outbox.js";
import { scan } from "./pairing-scan.js";
import { draw, kept, say } from "./pairing-show.js";

const POLL_MS = 2000;
const PATIENCE_MS = 8000;
const $ = (id) => document.getElementById(id);
const API = "/pairing/api/pairings";

let wish = null;
let lostSince = null;
let stopCamera = null;
let turning = false;

for (const [id, word] of [["moved", "moved"], ["again", "again"], ["old", "old_broken"], ["done", "done"], ["give-up", "give_up"], ["install", "install"]]) {
  $(id).textContent = say(word);
}
contact("unknown");

function contact(state) {
  $("contact").dataset.state = state;
  let text = say(`contact_${state}`);
  if (state === "lost") {
    lostSince = lostSince || new Date();
    text = say("contact_lost", { time: lostSince.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }) });
  } else {
    lostSince = null;
  }
  if ($("contact").textContent !== text) $("contact").textContent = text;
}

// Never navigator.onLine: only an answer is contact.
async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? { Accept: "application/json" } : { Accept: "application/json", "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
      cache: "no-store",
    });
  } catch {
    contact("lost");
    return null;
  }
  if (answer.status >= 500) {
    contact("lost");
    return null;
  }
  contact("ok");
  if (answer.status === 401) {
    fault(say("signed_out"));
    return null;
  }
  return { status: answer.status, document: await answer.json().catch(() => ({})) };
}

function fault(text) {
  $("fault").textContent = text || "";
  $("fault").hidden = !text;
}

function show(going) {
  $("wish").hidden = going;
  $("going").hidden = !going;
}

async function turn() {
  if (turning) return;
  turning = true;
  try {
    if (!wish) {
      await ask("/healthz");
      return;
    }
    if (!wish.pairing) await send();
    else {
      const found = await ask(`${API}/${wish.pairing}`);
      if (found && found.status === 200) draw(found.document);
      else if (found && found.status === 404) refused(found.document);
    }
  } finally {
    turning = false;
  }
}

async function send() {
  kept(wish, lostSince === null);
  const { key, label, reference, digits, rooms } = wish;
  const found = await ask(API, { key, label, reference, digits, rooms });
  if (!found) {
    kept(wish, false);
    return;
  }
  if (found.status === 200 || found.status === 201) {
    wish.pairing = found.document.id;
    await keep(wish);
    draw(found.document);
    return;
  }
  await refused(found.document);
}

// What the server refuses is not sent again: the person corrects it. The key is new, since the wish is another one.
async function refused(problem) {
  const { key, label, reference } = wish;
  await drop(key);
  wish = null;
  show(false);
  $("label").value = label;
  $("reference").value = reference;
  $("digits").value = "";
  const since = problem.since ? ` (${problem.by}, ${new Date(problem.since).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" })})` : "";
  fault((problem.words || problem.detail || "") + since);
  $(problem.code && problem.code.startsWith("label") ? "label" : "digits").focus();
}

async function next() {
  const waiting = await all();
  wish = waiting[0] || null;
  $("more").textContent = waiting.length > 1 ? say("waiting_many", { n: waiting.length - 1 }) : "";
  show(wish !== null);
  if (wish) kept(wish, false);
  await turn();
}

$("wish").addEventListener("submit", async (event) => {
  event.preventDefault();
  fault("");
  for (const id of ["label", "reference", "digits"]) {
    if (!$(id).value.trim()) {
      $(id).focus();
      return;
    }
  }
  if (stopCamera) stopCamera();
  const rooms = [...document.querySelectorAll('[name="room"]:checked')].map((one) => one.value);
  wish = {
    key: newKey(), label: $("label").value.trim(), reference: $("reference").value.trim(), digits: $("digits").value.trim(),
    rooms, at: Date.now(), pairing: null,
  };
  await keep(wish);
  $("wish").reset();
  $("scan-said").textContent = "";
  show(true);
  kept(wish, true);
  $("going-head").focus();
  await turn();
});

$("scan").addEventListener("click", async () => {
  if (stopCamera) stopCamera();
  $("camera").hidden = false;
  const seen = (text) => {
    stopCamera = null;
    $("camera").hidden = true;
    $("label").value = text.replace(/^LIVLINA:/, "");
    $("scan-said").textContent = say("scanned", { label: $("label").value });
    $("reference").focus();
  };
  try {
    stopCamera = await scan($("video"), seen, () => {
      $("scan-said").textContent = say("scan_none");
    });
  } catch {
    $("camera").hidden = true;
    $("scan-said").textContent = say("scan_off");
    $("label").focus();
  }
});

for (const [id, path, body] of [["moved", "moved", {}], ["again", "again", {}], ["old", "old", { why: "broken" }]]) {
  $(id).addEventListener("click", async () => {
    const found = wish && wish.pairing ? await ask(`${API}/${wish.pairing}/${path}`, body) : null;
    if (found && found.status === 200) draw(found.document);
  });
}

$("done").addEventListener("click", async () => {
  await drop(wish.key);
  await next();
  $("label").focus();
});

$("give-up").addEventListener("click", async () => {
  if (wish.pairing) {
    const found = await ask(`${API}/${wish.pairing}/give-up`, { reason: "other" });
    if (!found) return;
    if (found.status === 200) {
      draw(found.document);
      return;
    }
  }
  await drop(wish.key);
  await next();
});

window.addEventListener("online", turn);
setInterval(turn, POLL_MS);
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/pairing/worker.js", { scope: "/pairing" }).catch(() => {});
next();
