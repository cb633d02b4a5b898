// Which view is shown, and when it is drawn anew. A view is a function of an address that returns
// { title, element, refresh }; `refresh` asks for everything again and draws it in place.

import { h } from "/dom.js";
import { ago, bytes, plural } from "/format.js";
import { topology } from "/topology.js";
import { service, services } from "/services.js";
import { traces } from "/traces.js";
import { trace } from "/trace.js";
import { playground } from "/playground.js";

const VIEWS = [
  [/^\/$/, "topology", topology],
  [/^\/services$/, "services", services],
  [/^\/services\/([^/]+)$/, "services", service],
  [/^\/traces$/, "traces", traces],
  [/^\/traces\/([^/]+)$/, "traces", trace],
  [/^\/playground$/, "playground", playground],
];

const main = document.getElementById("view");
const range = document.getElementById("range");
const live = document.getElementById("live");
const keys = document.getElementById("keys");
let current = null;

// What views have in hand: the window of time, the API, and a way to another address.
const context = {
  get seconds() {
    return Number(range.value);
  },
  async ask(path, parameters = {}) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, it]) => it !== "" && it !== null && it !== undefined));
    const response = await fetch(`/api${path}?${query}`);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  },
  // An address that keeps the window of time.
  href(path, parameters = {}) {
    const query = new URLSearchParams(parameters);
    if (range.value !== "300") query.set("range", range.value);
    return query.size > 0 ? `${path}?${query}` : path;
  },
  go(address) {
    history.pushState(null, "", address);
    show();
  },
};

async function show() {
  const url = new URL(location.href);
  const wanted = url.searchParams.get("range") ?? "300";
  range.value = [...range.options].some((it) => it.value === wanted) ? wanted : "300";
  const [pattern, name, view] = VIEWS.find(([it]) => it.test(url.pathname)) ?? VIEWS[0];
  const parameters = pattern.exec(url.pathname)?.slice(1).map(decodeURIComponent) ?? [];
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.dataset.view === name);
    link.href = context.href(new URL(link.href).pathname);
  }
  const mine = view(context, url.searchParams, ...parameters);
  current = mine;
  document.title = `${mine.title} – hopspan Lens`;
  main.dataset.ready = "";
  main.replaceChildren(mine.element);
  await refresh();
  if (current === mine) window.scrollTo(0, 0);
}

let asking = false;
async function refresh() {
  if (asking) return;
  asking = true;
  const mine = current;
  try {
    await mine.refresh?.();
    mine.error?.remove();
    mine.error = null;
  } catch (error) {
    mine.error?.remove();
    mine.error = h("p", { class: "problem", role: "alert" }, error.message);
    mine.element.prepend(mine.error);
  } finally {
    asking = false;
  }
  // Another view came meanwhile: it has not been asked for anything yet.
  if (mine !== current) return refresh();
  main.dataset.ready = "yes";
}

async function status() {
  const it = await context.ask("/status");
  const age = it.oldest ? `, the oldest ${ago(Math.max(0, Math.round(Date.now() / 1000 - it.oldest)))} old` : "";
  const text = `${plural(it.spans, "span")} kept${age}; ${bytes(it.disk_bytes)} of ${bytes(it.limit_bytes)} on disk; version ${it.version}`;
  document.getElementById("status").textContent = text;
}

function isLive() {
  return live.getAttribute("aria-pressed") === "true";
}

function toggleLive() {
  live.setAttribute("aria-pressed", String(!isLive()));
  if (isLive()) refresh();
}

// News comes at most once a second. A page that nobody sees asks for nothing.
function follow() {
  const events = new EventSource("/api/events");
  events.addEventListener("stored", () => {
    if (!isLive() || document.hidden) return;
    if (current.follows !== false) refresh();
    status().catch(() => {});
  });
  events.addEventListener("open", () => live.classList.remove("lost"));
  events.addEventListener("error", () => live.classList.add("lost"));
}

// Rows and spans, one after the other.
function step(by) {
  const all = [...main.querySelectorAll(".row-link")];
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  next?.focus();
}

const KEYS = {
  1: () => context.go(context.href("/")),
  2: () => context.go(context.href("/services")),
  3: () => context.go(context.href("/traces")),
  4: () => context.go("/playground"),
  j: () => step(1),
  k: () => step(-1),
  l: toggleLive,
  "?": () => keys.showModal(),
  "/": () => {
    if (location.pathname !== "/traces") context.go(context.href("/traces"));
    requestAnimationFrame(() => main.querySelector("input")?.focus());
  },
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog[open]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = KEYS[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

// Links within the page do not load it anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.hasAttribute("download") || event.defaultPrevented) return;
  // Not `link.href`: in a picture that is no text.
  const url = new URL(link.getAttribute("href"), location.href);
  if (url.origin !== location.origin || url.pathname.startsWith("/api") || link.classList.contains("skip")) return;
  event.preventDefault();
  context.go(url.pathname + url.search);
});

range.addEventListener("change", () => {
  const url = new URL(location.href);
  url.searchParams.set("range", range.value);
  context.go(url.pathname + url.search);
});
live.addEventListener("click", toggleLive);
document.getElementById("help").addEventListener("click", () => keys.showModal());
window.addEventListener("popstate", show);

show();
status().catch(() => {});
follow();
