// Sounds by WebAudio oscillators: no files. A browser lets a page sound only after a press of the user's, so the shift
// starts with a button, and whatever stops the sound later is told at once through onchange.

const TONES = {
  // [frequency Hz, start s, length s]
  1: [[988, 0, 0.16], [740, 0.2, 0.16], [988, 0.4, 0.16], [740, 0.6, 0.16]],
  2: [[784, 0, 0.2], [784, 0.3, 0.2]],
  3: [[587, 0, 0.25]],
  soft: [[660, 0, 0.12]],
  test: [[523, 0, 0.18], [659, 0.22, 0.18], [784, 0.44, 0.3]],
  loss: [[330, 0, 0.45], [220, 0.5, 0.7]],
};
const LOUDNESS = 0.35;

export class Sound {
  constructor(onchange) {
    this.onchange = onchange;
    this.context = null;
    this.played = []; // what was sounded, newest last; the page's own record, also read by tests
  }

  get possible() {
    return "AudioContext" in window;
  }

  get on() {
    return this.context !== null && this.context.state === "running";
  }

  async start() {
    if (!this.possible) return;
    if (!this.context) {
      this.context = new AudioContext();
      this.context.addEventListener("statechange", () => this.onchange());
    }
    await this.context.resume();
    this.onchange();
    this.play("test");
  }

  async stop() {
    if (this.context) await this.context.close();
    this.context = null;
    this.onchange();
  }

  play(name) {
    if (!this.on) return false;
    for (const [frequency, start, length] of TONES[name]) this.#tone(frequency, this.context.currentTime + start, length);
    this.played.push(name);
    if (this.played.length > 100) this.played.shift();
    return true;
  }

  #tone(frequency, at, length) {
    const oscillator = this.context.createOscillator();
    const gain = this.context.createGain();
    oscillator.type = "triangle";
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(LOUDNESS, at + 0.02);
    gain.gain.setValueAtTime(LOUDNESS, at + length - 0.03);
    gain.gain.linearRampToValueAtTime(0, at + length);
    oscillator.connect(gain).connect(this.context.destination);
    oscillator.start(at);
    oscillator.stop(at + length);
  }
}
