// Asks the device for a passkey: to sign in, as second step, to step up, or to add a new one.

const words = document.getElementById("passkey-words").dataset;
const fault = document.getElementById("passkey-fault");

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function base64url(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const descriptors = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

function toAsk(options) {
  return { ...options, challenge: bytes(options.challenge), allowCredentials: descriptors(options.allowCredentials) };
}

function toMake(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: descriptors(options.excludeCredentials),
  };
}

function said(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  }
  return { id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response };
}

async function post(path, body) {
  return fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function say(text) {
  fault.textContent = text;
  fault.hidden = false;
}

async function question(path) {
  const answer = await post(path, {});
  if (answer.ok) return answer.json();
  if (answer.status === 403) location.assign(`/step-up?next=${encodeURIComponent(location.pathname)}`);
  else say(answer.status === 503 ? words.away : words.missing);
  return null;
}

const ACTS = {
  async "sign-in"(button) {
    const next = encodeURIComponent(button.dataset.next || "/");
    return ask(await question(`/sign-in/passkey/question?next=${next}`), "/sign-in/passkey");
  },
  async second() {
    return ask(JSON.parse(document.getElementById("question").textContent), "/sign-in/passkey");
  },
  async "step-up"(button) {
    return ask(await question("/step-up/passkey/question"), "/step-up/passkey", button.dataset.next);
  },
  async add() {
    const options = await question("/account/passkeys/question");
    if (options === null) return;
    const made = await navigator.credentials.create({ publicKey: toMake(options) });
    const name = document.getElementById("passkey-name").value;
    const answer = await post("/account/passkeys", { credential: said(made), name });
    if (answer.ok) location.assign("/account?done=passkey_added");
    else say(words.refused);
  },
};

async function ask(options, path, next) {
  if (options === null) return;
  const found = await navigator.credentials.get({ publicKey: toAsk(options) });
  const answer = await post(path, { credential: said(found) });
  if (!answer.ok) say(answer.status === 503 ? words.away : words.refused);
  else location.assign(next || (await answer.json()).next);
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) {
    button.addEventListener("click", () => say(words.missing));
    continue;
  }
  button.addEventListener("click", async () => {
    fault.hidden = true;
    button.disabled = true;
    try {
      await ACTS[button.dataset.passkey](button);
    } catch (error) {
      say(error instanceof TypeError ? words.away : words.cancelled);
    } finally {
      button.disabled = false;
    }
  });
}
