// Keeps what the page has loaded, so that it works without a network. VERSION comes from the content of all files: with
// any change browsers install this file anew.
//
// All versions share one cache: while one replaces another, both run for a moment, and a cache that belonged to the older
// one could be made again just after it was removed.

self.VERSION = '__VERSION__';
const FILES = '__FILES__'; // the page itself; the model and its runtime are kept when the page has loaded them
const CACHE = 'portraitnet';
const HASHED = /-[0-9A-Za-z]{8,10}(?=\.\w+$|\/)/;

/** The key of an address: without what is before this worker, since --lan puts a new secret there at each start. */
const keyOf = (url) => new URL(`/kept/${url.slice(self.registration.scope.length).split('?')[0]}`, self.location.origin).href;

const withoutHash = (key) => key.replace(HASHED, '');

const isKept = async (url) => HASHED.test(url) && Boolean(await caches.match(keyOf(url), {cacheName: CACHE}));

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer;
}

/** Keep an answer in place of what had the same name with another hash. */
async function store(url, answer) {
  const cache = await caches.open(CACHE);
  const key = keyOf(url);
  await cache.put(key, answer);
  if (!HASHED.test(key)) return;
  for (const request of await cache.keys()) {
    if (request.url !== key && withoutHash(request.url) === withoutHash(key)) await cache.delete(request);
  }
}

/** All are loaded before the first is stored, so that a failure leaves the version before as it was. */
async function install() {
  const urls = FILES.map((file) => self.registration.scope + file);
  const missing = [];
  for (const url of urls) if (!(await isKept(url))) missing.push(url);
  const answers = await Promise.all(missing.map(load));
  for (const [index, url] of missing.entries()) await store(url, answers[index]);
}

async function keep(urls) {
  for (const url of urls) {
    if (await isKept(url)) continue;
    try {
      await store(url, await load(url));
    } catch (error) {
      // Without a network what was kept before does.
      if (!(await caches.match(keyOf(url), {cacheName: CACHE}))) throw error;
    }
  }
}

/** Earlier versions had a cache each. */
async function removeOldCaches() {
  for (const name of await caches.keys()) if (name.startsWith('portraitnet-')) await caches.delete(name);
}

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(install());
});
// claim() is not waited for: in Firefox its promise may stay open, and until this ends no request is answered.
self.addEventListener('activate', (event) => event.waitUntil(removeOldCaches().then(() => void self.clients.claim())));

self.addEventListener('message', (event) => {
  if (event.data.activate) return event.waitUntil(self.skipWaiting());
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
  const kept = await caches.match(keyOf(url), {cacheName: CACHE});
  if (kept && HASHED.test(url)) return kept;
  try {
    // By its address: browsers refuse to send some requests again, such as those of a page that is being left.
    const fresh = await fetch(url, {cache: 'no-cache'});
    // A full disk must not keep the answer back.
    if (fresh.ok) event.waitUntil(store(url, fresh.clone()).catch(() => {}));
    return fresh;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}
