// Lets the page work without a network: a service worker keeps its files (see sw.js).

import {text} from './language.js';

/** Chromium may forget a worker's skipWaiting() that comes while the one before is at work: have it say so again. */
async function replaceOlder(registration) {
  while (registration.waiting) {
    registration.waiting.postMessage({activate: true});
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Register the service worker and have it keep what this page has loaded; gives a line that says what came of it. */
export async function keepOffline() {
  if (!navigator.serviceWorker) return text('offlineInsecure');
  try {
    const own = await navigator.serviceWorker.register('sw.js', {updateViaCache: 'none'});
    own.addEventListener('updatefound', () =>
      own.installing?.addEventListener('statechange', ({target}) => target.state === 'installed' && replaceOlder(own)));
    // With --lan the address has a new secret at each start: the workers of earlier ones have nothing left to do.
    for (const other of await navigator.serviceWorker.getRegistrations()) {
      if (other.scope !== own.scope && other.active?.scriptURL.endsWith('/sw.js')) await other.unregister();
    }
    const {active} = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType('resource').map((entry) => entry.name.split('#')[0]);
    const urls = [...new Set([document.baseURI, ...loaded])].filter((url) => url.startsWith(own.scope));
    const channel = new MessageChannel();
    const kept = new Promise((resolve) => (channel.port1.onmessage = ({data}) => resolve(data)));
    active.postMessage({keep: urls}, [channel.port2]);
    const error = await kept;
    replaceOlder(own);
    return error ? text('offlineRefused', {error}) : text('offlineReady');
  } catch (error) {
    return text('offlineRefused', {error: error.message});
  }
}
