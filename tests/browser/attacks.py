"""All the ways in which a page can make a browser ask another server.

Each is a function in JavaScript of an address and of the page's own site; it returns, or
promises, what it could read or make out: "" where that is nothing.
"""

# What an element tells by its events: that there is something, or not.
_ELEMENT = """(name, attributes, found = "load", root = document.body) =>
    new Promise((resolve) => {
        const element = Object.assign(document.createElement(name), attributes);
        element.addEventListener(found, () => resolve(found));
        element.addEventListener("error", () => resolve(""));
        root.append(element);
    })"""
# An event that comes for refusals too tells nothing; its content must stay closed.
_FRAME = """(name, attributes) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(name), attributes);
    const end = () => resolve(element.contentDocument?.body?.innerText ?? "");
    element.addEventListener("load", end);
    element.addEventListener("error", end);
    document.body.append(element);
})"""
_SUBMIT = """(action, method) => {
    const form = Object.assign(document.createElement("form"), { method });
    for (const [name, value] of new URL(action).searchParams) {
        form.append(Object.assign(document.createElement("input"), { name, value }));
    }
    form.action = action;
    document.body.append(form);
    return later(() => form.submit());
}"""
# Once this script has answered: what it would lead to is another page.
_LATER = """(leave) => { setTimeout(leave); return ""; }"""
_CLICK = """(attributes) => {
    const anchor = Object.assign(document.createElement("a"), attributes);
    document.body.append(anchor);
    return later(() => anchor.click());
}"""
_WORK = """(address) => new Promise((resolve) => {
    const work = `fetch(${JSON.stringify(address)}).then((got) => got.text()).catch(() => "")
        .then(postMessage)`;
    const worker = new Worker(URL.createObjectURL(new Blob([work])));
    worker.onmessage = ({ data }) => resolve(data);
})"""
_XHR = """(address) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.onload = () => resolve(request.responseText + request.getAllResponseHeaders());
    request.onerror = () => resolve("");
    request.open("GET", address);
    request.setRequestHeader("Range", "bytes=0-99");
    request.send();
})"""
_TALK = """(kind, address) => new Promise((resolve) => {
    const talk = new kind(address);
    talk.onopen = () => resolve("open");
    talk.onerror = () => { talk.close(); resolve(""); };
})"""
# Chromium says of these that nobody's page asked, as if the address had been typed.
_SPECULATE = """(kind, address, more) => {
    const rule = { source: "list", urls: [address], eagerness: "immediate", ...more };
    const script = document.createElement("script");
    script.type = "speculationrules";
    script.textContent = JSON.stringify({ [kind]: [rule] });
    document.head.append(script);
    return "";
}"""
_FETCH = """(address, options) =>
    fetch(address, options).then((got) => got.text()).catch(() => "")"""

_BASE = f"""
    const later = {_LATER};
    const element = {_ELEMENT};
    const frame = {_FRAME};
    const submit = {_SUBMIT};
    const click = {_CLICK};
    const work = {_WORK};
    const xhr = {_XHR};
    const talk = {_TALK};
    const speculate = {_SPECULATE};
    const read = {_FETCH};
    const byRedirect = `${{site}}/redirect?to=${{encodeURIComponent(address)}}`;
"""

ATTACKS = {
    "fetch": "read(address)",
    "fetch_with_range": 'read(address, { headers: { Range: "bytes=0-99" } })',
    "fetch_after_preflight": 'read(address, { headers: { "X-Own": "1" } })',
    "fetch_with_cookies": 'read(address, { credentials: "include" })',
    "fetch_without_cors": 'read(address, { mode: "no-cors", credentials: "include" })',
    "fetch_kept_alive": 'read(address, { mode: "no-cors", keepalive: true })',
    "fetch_by_redirect": "read(byRedirect)",
    "fetch_by_redirect_without_cors": 'read(byRedirect, { mode: "no-cors" })',
    "fetch_in_a_worker": "work(address)",
    "xhr_with_range": "xhr(address)",
    "video": 'element("video", { src: address }, "loadedmetadata")',
    "video_with_cors": (
        'element("video", { crossOrigin: "anonymous", src: address }, "loadedmetadata")'
    ),
    "video_by_redirect": 'element("video", { src: byRedirect }, "loadedmetadata")',
    "audio": 'element("audio", { src: address }, "loadedmetadata")',
    "image": 'element("img", { src: address })',
    "image_button": 'element("input", { type: "image", src: address })',
    "script": 'element("script", { src: address })',
    "module": 'element("script", { type: "module", src: address })',
    "style": 'element("link", { rel: "stylesheet", href: address })',
    "preload": 'element("link", { rel: "preload", as: "image", href: address })',
    "icon": '(element("link", { rel: "icon", href: address }, "load", document.head), "")',
    "prefetch": 'element("link", { rel: "prefetch", href: address })',
    "speculative_prefetch": 'speculate("prefetch", address)',
    "speculative_prefetch_without_referrer": (
        'speculate("prefetch", address, { referrer_policy: "no-referrer" })'
    ),
    "speculative_prerender": 'speculate("prerender", address)',
    "frame": 'frame("iframe", { src: address })',
    "frame_by_redirect": 'frame("iframe", { src: byRedirect })',
    "object": 'frame("object", { data: address })',
    "embed": 'frame("embed", { src: address })',
    "form_get": 'submit(address, "get")',
    "form_post": 'submit(address, "post")',
    "window": "later(() => open(address))",
    "window_without_opener": 'later(() => open(address, "_blank", "noopener"))',
    "navigation": "later(() => { location = address; })",
    "navigation_by_redirect": "later(() => { location = byRedirect; })",
    "refresh": (
        '(document.head.append(Object.assign(document.createElement("meta"), '
        '{ httpEquiv: "refresh", content: `0; url=${address}` })), "")'
    ),
    "download": 'click({ href: address, download: "film.mp4" })',
    "ping": 'click({ href: "#", ping: address })',
    "beacon": '(navigator.sendBeacon(address, "x"), "")',
    "event_source": "talk(EventSource, address)",
    "web_socket": 'talk(WebSocket, address.replace("http", "ws"))',
}

# After these the page, or the frame, is at the address.
LEAVING = {
    *("form_get", "form_post", "navigation", "navigation_by_redirect", "refresh", "download"),
}


def script_of(attack: str) -> str:
    """Return the script of an attack: a function of [address, site]."""
    return f"async ([address, site]) => {{ {_BASE} return {ATTACKS[attack]}; }}"
