// Keeps a page that shows how things stand up to date: asks for the page anew and puts its #fresh in place of ours.
// It says at once when it no longer knows. Such a look does not count as use of the log-in: a page that is left open
// keeps nobody signed in. Without this script the page is as it was loaded, and says as of when.

const PATIENCE_MS = 8_000;
const region = document.querySelector("#fresh");
const EVERY_MS = 1000 * region.dataset.every;
const LOST_MS = 2.5 * EVERY_MS;
const stale = document.querySelector("#stale");
const news = document.querySelector("#news");
const title = document.title;
let heardAt = Date.now();
let over = false;

// By the installation's clocks, as every time on the page.
function clock(at) {
  return new Date(at).toLocaleTimeString(document.documentElement.lang, { timeZone: stale.dataset.zone });
}

function say(text) {
  stale.textContent = text.replace("{time}", clock(heardAt));
  stale.hidden = false;
  document.title = `! ${title}`;
}

// What is told to who cannot see the page: figures, visits and incidents. The time of the look and ages are no news.
function gist(of) {
  const parts = [...of.querySelectorAll(".tiles, [data-visit], [data-incident]")];
  return parts.map((one) => one.dataset.visit ?? one.textContent).join();
}

function put(html) {
  const found = new DOMParser().parseFromString(html, "text/html").querySelector("#fresh");
  if (!found) return false;
  const open = [...region.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const changed = gist(found) !== gist(region);
  for (const id of open) if (id) found.querySelector(`#${id}`)?.setAttribute("open", "");
  region.replaceChildren(...found.childNodes);
  if (focused) {
    const same = (one) => one.getAttribute("href") === focused.getAttribute("href");
    const again = focused.tagName === "A" ? [...region.querySelectorAll("a")].find(same) : region.querySelector(focused.tagName);
    (again ?? document.querySelector("#main")).focus({ preventScroll: true });
  }
  if (changed) news.textContent = `${news.dataset.changed} ${clock(Date.now())}`;
  return true;
}

async function look() {
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html", "X-Livlina-Look": "again" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.redirected) {
      over = true;
      say(stale.dataset.ended);
      return;
    }
    if (answer.ok && put(await answer.text())) {
      heardAt = Date.now();
      stale.hidden = true;
      document.title = title;
    }
  } catch {
    // No answer: the clock below says so.
  }
  if (Date.now() - heardAt > LOST_MS) say(stale.dataset.lost);
}

async function watch() {
  while (!over) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (document.visibilityState === "visible") await look();
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && !over) look();
});
watch();
