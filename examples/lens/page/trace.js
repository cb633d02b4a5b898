// One trace: where its time went.

import { h, replace } from "/dom.js";
import { ms, plural, time } from "/format.js";
import { statusClass } from "/services.js";

const PLACES = {
  proxy: (who) => `proxy of ${who}`,
  service: (who) => `service ${who}`,
  network: (who) => `on the way from ${who}`,
  elsewhere: (who) => (who ? `${who}, which says nothing` : "somebody who says nothing"),
  client: () => "a client that was slow to send",
};
const PARTS = { proxy: "in the proxy", pool: "in the proxy, waiting for a connection", upstream: "upstream", client: "waiting for the client" };

export function trace(context, query, id) {
  const body = h("div");
  const element = h("section", { class: "trace" }, h("p", { class: "path" }, h("a", { href: context.href("/traces") }, "Traces")), body);
  let selected = query.get("span");
  let it = null;

  function select(span) {
    selected = span;
    const url = new URL(location.href);
    url.searchParams.set("span", span);
    history.replaceState(null, "", url);
    draw();
  }

  function draw() {
    const colours = new Map(it.services.map((name, index) => [name, `s${index % 8}`]));
    const chosen = it.spans.find((span) => span.span_id === selected);
    replace(body,
      h("h1", null, it.title),
      h("p", { class: "facts-line" },
        h("strong", null, ms(it.duration_ms)), ` · ${time(it.start_ms)} · ${plural(it.spans.length, "span")} of ${plural(it.services.length, "service")} · `,
        h("code", null, it.trace_id), " · ",
        h("a", { href: `/api/traces/${it.trace_id}/otlp`, download: `trace-${it.trace_id}.json` }, "Save as OTLP JSON")),
      it.problems.map((text) => h("p", { class: "warn" }, text)),
      shares(it),
      h("div", { class: "waterfall", role: "list" }, it.spans.map((span) => row(span, colours)), ruler(it.duration_ms)),
      legend(),
      chosen && detail(chosen, context));
  }

  function row(span, colours) {
    const share = (value) => `${((value / Math.max(it.duration_ms, 1e-9)) * 100).toFixed(3)}%`;
    const segments = span.segments.length > 0
      ? span.segments.filter((part) => part.what !== "upstream")
      : [];
    const held = span.proxy_ms === null ? "" : `${span.proxy_is_upper_bound ? "≤ " : ""}${ms(span.proxy_ms)}`;
    return h("div", { class: "line", role: "listitem" }, h("a", {
      class: `row-link ${span.failed ? "failed" : ""} ${span.span_id === selected ? "selected" : ""}`,
      href: `?span=${span.span_id}`, "data-key": span.span_id,
      "aria-label": `${span.service} ${span.kind} ${span.route}, ${ms(span.duration_ms)}${held && `, in the proxy ${held}`}`,
      onclick: (event) => {
        event.preventDefault();
        select(span.span_id);
      },
    },
    h("span", { class: "label", style: { "padding-left": `${Math.min(span.depth, 12) * 14}px` } },
      h("i", { class: `dot ${colours.get(span.service)}` }), h("strong", null, span.service), " ", span.route,
      span.to && h("span", { class: "to" }, ` → ${span.to}`),
      span.is_orphan && h("span", { class: "status fair" }, "parent missing"),
      span.notes.map((note) => h("span", { class: `note ${note.startsWith("error") ? "bad" : ""}` }, note))),
    h("span", { class: "kind" }, span.kind),
    h("span", { class: `code ${statusClass(span.status)}` }, span.status),
    h("span", { class: "time" }, ms(span.duration_ms)),
    h("span", { class: "proxy-time" }, held),
    h("span", { class: "lane", "aria-hidden": "true" },
      h("span", { class: `bar ${colours.get(span.service)} ${span.kind.toLowerCase()}`, style: { left: share(span.offset_ms), width: share(span.duration_ms) } }),
      span.network.map(([from, length]) => h("span", { class: "part network", title: `on the way: ${ms(length)}`, style: { left: share(from), width: share(length) } })),
      segments.map((part) => h("span", { class: `part ${part.what} ${span.proxy_is_upper_bound ? "bound" : ""}`, title: `${PARTS[part.what]}: ${ms(part.duration_ms)}`, style: { left: share(part.offset_ms), width: share(part.duration_ms) } })),
      span.critical.map(([from, length]) => h("span", { class: "critical", style: { left: share(from), width: share(length) } })))));
  }

  async function refresh() {
    const next = await context.ask(`/traces/${id}`);
    // Spans of one trace may come from many senders: as long as some do, it grows.
    if (it?.spans.length === next.spans.length) return;
    it = next;
    document.title = `${it.title} – hopspan Lens`;
    draw();
  }
  return { title: "Trace", element, refresh };
}

function shares(it) {
  const sum = it.breakdown.reduce((all, share) => all + share.duration_ms, 0) || 1;
  const part = (share) => `${((share.duration_ms / sum) * 100).toFixed(2)}%`;
  return h("figure", { class: "shares" },
    h("figcaption", null, "Where the time went, along the critical path"),
    h("div", { class: "stack", "aria-hidden": "true" }, it.breakdown.map((share) =>
      h("span", { class: share.what, title: `${PLACES[share.what](share.who)}: ${ms(share.duration_ms)}`, style: { width: part(share) } }))),
    h("ul", null, it.breakdown.map((share) => h("li", null,
      h("i", { class: `dot ${share.what}` }), PLACES[share.what](share.who), " ", h("strong", null, ms(share.duration_ms)), ` ${((share.duration_ms / sum) * 100).toFixed(1)} %`))));
}

function ruler(duration) {
  return h("div", { class: "ruler", "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", { style: { left: `${share * 100}%` } }, ms(duration * share))));
}

function legend() {
  const entry = (name, text) => h("span", null, h("i", { class: `swatch ${name}` }), text);
  return h("p", { class: "legend" },
    entry("proxy", "held by the proxy"), entry("pool", "of that, waiting for a connection"), entry("client", "waiting for a slow client"),
    entry("network", "on the way between services"),
    entry("bound", "upper bound: several tries"), entry("critical", "critical path: what the answer waited for"));
}

function detail(span, context) {
  const list = (title, pairs) => pairs.length > 0 && [h("h3", null, title), h("dl", { class: "attributes" }, pairs.map(([key, value]) => [h("dt", null, key), h("dd", null, value)]))];
  const find = (key, value) => context.href("/traces", { attribute: `${key}=${value}` });
  return h("aside", { class: "span-detail", "aria-label": "The chosen span" },
    h("h2", null, `${span.service}: ${span.name}`),
    h("p", null, h("code", null, span.span_id), ` · ${span.kind} · begins at ${ms(span.offset_ms)}, takes ${ms(span.duration_ms)}`, span.scope && ` · made by ${span.scope}`),
    span.message && h("p", { class: "warn" }, span.message),
    span.segments.length + span.network.length > 0 && list("Time", [
      ...span.segments.map((part) => [PARTS[part.what], ms(part.duration_ms)]),
      ...span.network.map(([from, length]) => [`of that, on the way between services, at ${ms(from)}`, ms(length)])]),
    span.attributes.length > 0 && [h("h3", null, "Attributes"), h("dl", { class: "attributes" }, span.attributes.map(([key, value]) => [
      h("dt", null, key), h("dd", null, value, " ", h("a", { class: "find", href: find(key, value), title: `traces with ${key}=${value}` }, "find"))]))],
    list("Resource", span.resource),
    span.events.length > 0 && list("Events", span.events.map(([at, name]) => [ms(at), name])),
    span.links.length > 0 && [h("h3", null, "Links"), h("ul", null, span.links.map(([traceId, spanId]) =>
      h("li", null, h("a", { href: `/traces/${traceId}?span=${spanId}` }, `trace ${traceId}, span ${spanId}`))))]);
}
