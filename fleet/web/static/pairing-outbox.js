// What was typed and not yet finished, in the browser's own database: it outlives a reload and a flat battery.
const NAME = "livlina-pairing";

function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("wishes", { keyPath: "key" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function act(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction("wishes", mode);
      const request = work(transaction.objectStore("wishes"));
      // Only when it is on disk is it kept.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export const keep = (wish) => act("readwrite", (store) => store.put(wish));
export const drop = (key) => act("readwrite", (store) => store.delete(key));
export const all = async () => (await act("readonly", (store) => store.getAll())).sort((a, b) => a.at - b.at);

// The client's own key: the same wish, however often it is sent, is one pairing.
export const newKey = () => crypto.randomUUID();
