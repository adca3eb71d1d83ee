// Reads a label with the camera: by the browser's own detector where it has one, else by ZXing in WebAssembly.
const EVERY_MS = 150;
const NOTHING_MS = 8000;

async function reader() {
  if ("BarcodeDetector" in window) {
    const formats = await window.BarcodeDetector.getSupportedFormats().catch(() => []);
    if (formats.includes("qr_code")) {
      const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
      return async (video) => (await detector.detect(video)).map((one) => one.rawValue);
    }
  }
  const zxing = window.ZXingWASM;
  // From our own server, never from a public one.
  zxing.prepareZXingModule({ overrides: { locateFile: (file) => `/static/vendor/${file}` } });
  const canvas = document.createElement("canvas");
  return async (video) => {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    const picture = context.getImageData(0, 0, canvas.width, canvas.height);
    const found = await zxing.readBarcodes(picture, { formats: ["QRCode"], maxNumberOfSymbols: 1 });
    return found.map((one) => one.text);
  };
}

// Calls seen(text) once with what stands in the code, nothing() while none is seen; returns stop().
export async function scan(video, seen, nothing) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  let going = true;
  const stop = () => {
    going = false;
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  };
  video.srcObject = stream;
  await video.play();
  const read = await reader();
  let began = Date.now();
  const look = async () => {
    if (!going) return;
    const texts = video.videoWidth ? await read(video).catch(() => []) : [];
    if (!going) return;
    if (texts.length && texts[0]) {
      stop();
      seen(texts[0]);
      return;
    }
    if (Date.now() - began > NOTHING_MS) {
      began = Date.now();
      nothing();
    }
    setTimeout(look, EVERY_MS);
  };
  look();
  return stop;
}
