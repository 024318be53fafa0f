// Keeps what the page has loaded, so that it works without a network. VERSION comes from the content of all files: with
// any change browsers install this file anew, and what it kept before is replaced.

const VERSION = '__VERSION__';
const FILES = '__FILES__'; // the page itself; the model and its runtime are kept when the page has loaded them
const CACHE = `portraitnet-${VERSION}`;
const HASHED = /-[0-9A-Za-z]{8,10}(\.\w+$|\/)/;

/** Whether a newer version has taken over: opening this one's cache again would bring it back, for nobody to remove. */
const isReplaced = () => self.serviceWorker?.state === 'redundant';

/** The key of an address: without what is before this worker, since --lan puts a new secret there at each start. */
const keyOf = (url) => new URL(`/kept/${url.slice(self.registration.scope.length).split('?')[0]}`, self.location.origin).href;

async function keep(urls) {
  if (isReplaced()) return;
  const cache = await caches.open(CACHE);
  for (const url of urls) {
    if (HASHED.test(url) && (await cache.match(keyOf(url)))) continue;
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    await cache.put(keyOf(url), answer);
  }
}

const olderCaches = async () => (await caches.keys()).filter((name) => name.startsWith('portraitnet-') && name !== CACHE);

/** Take over from older versions what has the same name and so the same content, then remove them. */
async function replaceOlder() {
  const cache = await caches.open(CACHE);
  for (const name of await olderCaches()) {
    const old = await caches.open(name);
    for (const request of await old.keys()) {
      if (!HASHED.test(request.url) || !request.url.includes('/kept/') || (await cache.match(request))) continue;
      // The page's own hashed files of before are not asked for any more; the model and its runtime may be.
      if (request.url.includes('/shared/litert-') || request.url.includes('/models/')) {
        await cache.put(request, await old.match(request));
      }
    }
    await caches.delete(name);
  }
}

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(keep(FILES.map((file) => self.registration.scope + file)));
});
// claim() is not waited for: in Firefox its promise may stay open, and until this ends no request is answered. Until it
// has its effect, pages still ask the older version, which may have opened its cache once more.
self.addEventListener('activate', (event) => event.waitUntil(replaceOlder().then(() => void self.clients.claim().then(removeOlder))));

async function removeOlder() {
  for (const name of await olderCaches()) await caches.delete(name);
}

self.addEventListener('message', (event) => {
  event.waitUntil(keep(event.data.keep).then(
    () => event.ports[0].postMessage(''),
    (error) => event.ports[0].postMessage(error.message),
  ));
});

self.addEventListener('fetch', (event) => {
  const {request} = event;
  if (request.method === 'GET' && request.url.startsWith(self.registration.scope)) event.respondWith(answer(event));
});

/** Files with a hash in their name from what is kept; all else from the network while there is one. */
async function answer(event) {
  const {url} = event.request;
  if (isReplaced()) return fetch(event.request);
  const cache = await caches.open(CACHE);
  const key = keyOf(url);
  const kept = await cache.match(key);
  if (kept && HASHED.test(url)) return kept;
  try {
    // By its address: browsers refuse to send some requests again, such as those of a page that is being left.
    const fresh = await fetch(url, {cache: 'no-cache'});
    // A full disk must not keep the answer back.
    if (fresh.ok) event.waitUntil(cache.put(key, fresh.clone()).catch(() => {}));
    return fresh;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}
