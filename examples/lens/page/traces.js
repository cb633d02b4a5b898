// Search, and the list of what was found.

import { h, replace, svg } from "/dom.js";
import { ms, plural, time } from "/format.js";
import { statusClass } from "/services.js";

// Senders hold spans back for a moment: a trace that ended just now may not be all here.
const ARRIVING = 10_000;

const FIELDS = ["service", "route", "status", "min_ms", "max_ms", "attribute", "failed"];

export function traces(context, query) {
  const [services, routes] = [h("datalist", { id: "services" }), h("datalist", { id: "routes" })];
  const field = (name, label, more) =>
    h("label", null, label, h("input", { name, value: query.get(name) ?? "", autocomplete: "off", ...more }));
  const form = h("form", { class: "search", role: "search", onsubmit: search },
    field("service", "Service", { list: "services" }),
    field("route", "Route has", { list: "routes", placeholder: "GET /products" }),
    field("status", "Status", { placeholder: "503, 5xx", size: 8 }),
    field("min_ms", "At least ms", { type: "number", min: 0, step: "any" }),
    field("max_ms", "At most ms", { type: "number", min: 0, step: "any" }),
    field("attribute", "Attribute", { placeholder: "url.path=/products/1" }),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "failed", checked: query.get("failed") === "true" }), "Failed"),
    field("id", "or trace id", { placeholder: "32 digits", pattern: "\\s*[0-9a-fA-F]{32}\\s*", size: 34 }),
    h("button", { type: "submit" }, "Search"),
    services, routes);
  const [bars, list, more] = [h("div", { class: "histogram" }), h("ol", { class: "traces" }), h("p", { class: "more" })];
  const element = h("section", null, h("h1", null, "Traces"), form, bars, list, more);
  const wanted = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
  let older = [];

  function search(event) {
    event.preventDefault();
    const data = new FormData(form);
    const id = data.get("id").trim();
    if (id) return context.go(`/traces/${id.toLowerCase()}`);
    if (data.has("failed")) data.set("failed", "true");
    const chosen = FIELDS.map((name) => [name, (data.get(name) ?? "").trim()]).filter(([, value]) => value);
    context.go(context.href("/traces", Object.fromEntries(chosen)));
  }

  // One answer looks at so much; where it found nothing yet, the search goes on by itself.
  async function find(before) {
    let found = await context.ask("/traces", { ...wanted, seconds: context.seconds, before });
    while (found.traces.length === 0 && found.has_more) {
      more.textContent = `Looked at everything after ${time(found.searched_to_ms)} …`;
      found = await context.ask("/traces", { ...wanted, seconds: context.seconds, before: found.searched_to });
    }
    return found;
  }

  async function further(before) {
    const found = await find(before);
    older.push(...found.traces);
    list.append(...found.traces.map((it) => line(it, scale())));
    ending(found);
  }

  let newest = [];
  const scale = () => Math.max(...[...newest, ...older].map((it) => it.duration_ms), 1e-9);

  function ending(found) {
    const go = h("button", { type: "button", onclick: () => further(found.searched_to) }, "Search on");
    const all = [...newest, ...older];
    replace(more, found.has_more
      ? ["Looked at everything after ", time(found.searched_to_ms), ". ", go]
      : all.length > 0 ? `${plural(all.length, "trace")}: that is all in this time.` : "No trace fits in this time.");
  }

  async function refresh() {
    const found = await find(null);
    newest = found.traces;
    older = [];
    replace(bars, found.histogram.length > 0 && histogram(found, context, wanted));
    replace(list, newest.map((it) => line(it, scale())));
    ending(found);
  }

  context.ask("/names").then((names) => {
    services.replaceChildren(...Object.keys(names).map((name) => h("option", { value: name })));
    const all = wanted.service in names ? names[wanted.service] : Object.values(names).flat();
    routes.replaceChildren(...[...new Set(all)].map((route) => h("option", { value: route })));
  }).catch(() => {});

  return {
    title: "Traces",
    element,
    refresh,
    // Nothing moves under somebody who reads further down or types.
    get follows() {
      return older.length === 0 && window.scrollY < 80 && !form.contains(document.activeElement);
    },
  };

  function line(it, longest) {
    const width = `${Math.max(0.5, (it.duration_ms / longest) * 100).toFixed(2)}%`;
    const held = it.proxy_ms === null ? null : `${Math.max(0, Math.min(100, (it.proxy_ms / Math.max(it.duration_ms, 1e-9)) * 100)).toFixed(2)}%`;
    return h("li", null, h("a", { href: context.href(`/traces/${it.trace_id}`), "data-key": it.trace_id, class: "row-link" },
      h("span", { class: "what" }, h("strong", null, it.service), " ", it.route),
      h("span", { class: "marks" },
        it.status && h("span", { class: `status ${statusClass(it.status)}` }, it.status),
        it.failed > 0 && h("span", { class: "status bad" }, plural(it.failed, "error")),
        !it.is_whole && (Date.now() - it.start_ms - it.duration_ms < ARRIVING
          ? h("span", { class: "status", title: "other spans of it may be on their way" }, "arriving")
          : h("span", { class: "status fair", title: "a parent is missing, or there are several beginnings" }, "not whole"))),
      h("span", { class: "when" }, time(it.start_ms)),
      h("span", { class: "size" }, `${plural(it.spans, "span")}, ${plural(it.services.length, "service")}`),
      h("span", { class: "duration" }, ms(it.duration_ms)),
      h("span", { class: "held", title: "time in proxies" }, it.proxy_ms === null ? "" : `proxies ${ms(it.proxy_ms)}`),
      h("span", { class: "bar", "aria-hidden": "true" }, h("span", { class: "length", style: { width } }, held && h("span", { class: "proxy", style: { width: held } })))));
  }
}

function histogram(found, context, wanted) {
  const [width, height, foot] = [60, 70, 16];
  const most = Math.max(...found.histogram.map((it) => it.traces), 1);
  const bars = found.histogram.map((it, index) => {
    const [all, failed] = [(it.traces / most) * height, (it.failed / most) * height];
    const x = index * width;
    const low = index > 0 ? found.histogram[index - 1].up_to_ms : "";
    const href = context.href("/traces", Object.fromEntries(Object.entries({ ...wanted, min_ms: String(low), max_ms: String(it.up_to_ms) }).filter(([, value]) => value)));
    return svg("a", { href, "aria-label": `${plural(it.traces, "trace")} took up to ${ms(it.up_to_ms)}` },
      svg("rect", { class: "hit", x, y: 0, width: width - 4, height }),
      svg("rect", { class: "all", x, y: height - all, width: width - 4, height: all }),
      svg("rect", { class: "failed", x, y: height - failed, width: width - 4, height: failed }),
      svg("text", { x: x + width / 2 - 2, y: height + 13, "text-anchor": "middle" }, `≤ ${ms(it.up_to_ms).replace(/\.0+(?= )/, "")}`));
  });
  const all = found.histogram.length * width;
  return svg("svg", { viewBox: `0 0 ${all} ${height + foot}`, style: { width: `${all}px`, "max-width": "100%" }, role: "group", "aria-label": "Durations of the traces below" }, bars);
}
