// The stream's client side. It decides when the connection counts as alive, lost or to be tried again; it draws nothing.
// Socket state is never trusted: only frames count. Time comes in with tick(), so a hidden tab is watched too.

export const SILENCE_MS = 6000;
const RETRY_MS = [500, 3000];
const NOT_LOGGED_IN = 4401;
const CURSOR_INVALID = 4409;

export class Stream {
  // on: {open(), snapshot(cases or boards, frame), change(change), around(cases), beat(), state(name, heardAt)}
  constructor(url, on, now) {
    this.url = url;
    this.on = on;
    this.cursor = null;
    this.scope = ""; // whose cases the cursor is about; the server knows whether it still holds
    this.state = "unknown"; // unknown -> ok only through a beat; ok -> again -> lost
    this.socket = null;
    this.retryAt = 0;
    this.heardAt = now; // wall clock; the last sign of life, or when we began to wait for one
    this.heardSteady = performance.now();
    this.offset = 0; // server's clock minus ours
    this.over = false;
  }

  serverNow() {
    return Date.now() + this.offset;
  }

  tick() {
    if (this.over) return;
    const silent = Math.max(Date.now() - this.heardAt, performance.now() - this.heardSteady);
    if (silent > SILENCE_MS && this.state !== "lost") {
      this.#become("lost");
      this.#drop();
    }
    // A connection that is open and says nothing is as dead as a closed one.
    if (this.socket && performance.now() - this.openedAt > SILENCE_MS && silent > SILENCE_MS) this.#drop();
    if (!this.socket && performance.now() >= this.retryAt) this.#open();
  }

  send(message) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Nothing more is to come: no loss is shown when the other side goes.
  finish() {
    this.over = true;
    this.#drop();
    this.#become("finished");
  }

  #open() {
    const query = this.cursor === null ? "" : `?after=${this.cursor}&scope=${this.scope}`;
    const socket = new WebSocket(this.url + query);
    this.socket = socket;
    this.openedAt = performance.now();
    socket.onopen = () => this.on.open();
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(event.code);
  }

  #hear(frame) {
    this.heardAt = Date.now();
    this.heardSteady = performance.now();
    if (frame.type === "snapshot") {
      this.cursor = frame.cursor;
      this.scope = frame.scope;
      this.offset = Date.parse(frame.at) - Date.now();
      this.on.snapshot(frame.cases ?? frame.boards, frame);
    } else if (frame.type === "change") {
      if (frame.position <= this.cursor) return;
      this.cursor = frame.position;
      this.on.change(frame);
    } else if (frame.type === "around") {
      this.on.around(frame.cases);
    } else if (frame.type === "beat") {
      this.offset = Date.parse(frame.at) - Date.now();
      if (frame.cursor !== this.cursor) {
        this.#drop(); // something is missing: ask again from what we have
        return;
      }
      this.#become("ok");
      this.on.beat();
    }
  }

  #closed(code) {
    this.socket = null;
    if (code === NOT_LOGGED_IN) {
      this.over = true;
      this.#become("ended");
      return;
    }
    if (code === CURSOR_INVALID) this.cursor = null;
    if (this.state === "ok") this.#become("again");
    this.#retryLater();
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(); // may wait for an answer that never comes; nobody listens to it any more
    }
    if (this.state === "ok") this.#become("again");
    this.#retryLater();
  }

  #retryLater() {
    this.retryAt = performance.now() + RETRY_MS[0] + Math.random() * (RETRY_MS[1] - RETRY_MS[0]);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.on.state(state, this.heardAt + this.offset);
  }
}
