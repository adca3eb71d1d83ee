// Draws a pairing: what is to be done now, step by step what has come back, and the proof.
const table = JSON.parse(document.getElementById("table").textContent);

export function say(name, values = {}) {
  return Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), table.words[name]);
}

const $ = (id) => document.getElementById(id);
const room = (code) => table.rooms[code] || code;

function put(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function title(step) {
  if (step.kind === "old") return say("step_old");
  if (step.room) {
    return step.input ? say("step_room", { room: room(step.room), n: step.input }) : say("step_room_own", { room: room(step.room) });
  }
  return step.input ? say("step_pendant", { n: step.input }) : say("step_own");
}

function result(step) {
  if (step.state !== "proven") return say(`state_${step.state}`);
  const told = [say("state_proven", { s: step.seconds ?? "?", n: step.attempt ?? 1 })];
  if (step.signal !== null) told.push(say("state_signal", { dbm: step.signal }));
  return told.join(", ");
}

function asked(step) {
  if (step.kind === "old") return say("press_old");
  if (step.room) {
    return step.input ? say("press_room", { room: room(step.room), n: step.input }) : say("press_room_own", { room: room(step.room) });
  }
  return step.input ? say("press_pendant", { n: step.input }) : say("press_own");
}

function instruction(pairing, step) {
  if (step.state === "ready") return `${say("now")}: ${asked(step)}`;
  if (step.state === "failed") return say(step.kind === "old" && step.why === "no_press" ? "why_no_press_old" : `why_${step.why}`);
  return step.kind === "old" ? say("wait") : `${say("wait")} ${say("plug")}`;
}

function steps(pairing) {
  const list = $("steps");
  while (list.children.length > pairing.steps.length) list.lastChild.remove();
  pairing.steps.forEach((step, place) => {
    let row = list.children[place];
    if (!row) {
      row = document.createElement("li");
      row.append(document.createElement("span"), document.createElement("span"));
      row.lastChild.className = "result";
      list.append(row);
    }
    row.dataset.state = step.state;
    if (place === pairing.now && pairing.state === "open") row.setAttribute("aria-current", "step");
    else row.removeAttribute("aria-current");
    row.firstChild.textContent = title(step);
    row.lastChild.textContent = result(step);
  });
}

export function offer(shown) {
  for (const id of ["moved", "again", "old", "done", "give-up"]) $(id).hidden = !shown.includes(id);
}

// The wish is kept and the server does not know of it: whoever presses now makes a real alarm.
export function kept(wish, sending) {
  put("going-head", wish.label);
  put("counts", say("not_active"));
  $("say").dataset.state = "ordered";
  put("say", sending ? say("sending") : say("kept"));
  $("steps").replaceChildren();
  $("live").hidden = true;
  offer(["give-up"]);
}

export function draw(pairing) {
  put("going-head", pairing.label);
  steps(pairing);
  $("live").hidden = !pairing.live_alarm;
  if (pairing.live_alarm) put("live", say("live"));
  if (pairing.state === "active") {
    put("counts", say("active"));
    $("say").dataset.state = "active";
    put("say", `${say("proof", { id: pairing.proof })}. ${say("fee", { date: pairing.fee_from })}`);
    offer(["done"]);
    return;
  }
  if (pairing.state === "abandoned") {
    put("counts", say("not_active"));
    $("say").dataset.state = "failed";
    put("say", say("abandoned"));
    offer(["done"]);
    return;
  }
  put("counts", pairing.old ? `${say("not_active")}. ${say("old_counts")}` : say("not_active"));
  const step = pairing.now === null ? null : pairing.steps[pairing.now];
  $("say").dataset.state = step ? step.state : "ordered";
  put("say", step ? instruction(pairing, step) : say("wait"));
  const shown = ["give-up"];
  if (step && step.state === "failed") {
    shown.push("again");
    if (step.kind === "old") shown.push("old");
    else shown.push("moved");
  }
  offer(shown);
}
