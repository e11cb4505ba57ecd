// The service worker: where the server is out of reach, a page that says so stands in for the player's.
// It keeps that page and nothing else, and answers for no other address: films never pass it.

const PAGE = new URL(registration.scope).pathname;
const KEPT = ["offline", "static/css/base.css", "static/icon.svg"].map((path) => PAGE + path);
// One name for each place this is mounted at, since they share the caches of their origin.
const CACHE = `${PAGE} {{ version }}`;

self.addEventListener("install", (event) => event.waitUntil(install(event)));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { mode, url } = event.request;
  const { pathname } = new URL(url);
  if (KEPT.includes(pathname)) {
    event.respondWith(fetch(event.request).catch(() => caches.match(pathname, { cacheName: CACHE })));
  } else if (mode === "navigate" && pathname === PAGE && (isRouted() || !navigator.onLine)) {
    event.respondWith(open(event));
  }
});

async function install(event) {
  if (isRouted()) {
    const own = [PAGE, ...KEPT].map((pathname) => ({ urlPattern: { pathname } }));
    await event.addRoutes({ condition: { not: { or: own } }, source: "network" });
  }
  const cache = await caches.open(CACHE);
  await cache.addAll(KEPT.map((path) => new Request(path, { cache: "reload" })));
  await skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(`${PAGE} `) && name !== CACHE) {
      await caches.delete(name);
    }
  }
  if (isRouted()) {
    await registration.navigationPreload.enable();
  }
}

// Asked by the browser itself, the server still hears which site led here: from a worker it would not. But a browser
// asks so for films that are opened directly, too, in vain and twice, unless those can be routed past the worker.
function isRouted() {
  return "addRoutes" in (self.InstallEvent?.prototype ?? {}) && "navigationPreload" in registration;
}

async function open({ preloadResponse, request }) {
  try {
    return await preloadResponse ?? await fetch(request);
  } catch {
    return caches.match(KEPT[0], { cacheName: CACHE });
  }
}
