// The graph of services. Where everything stands is worked out by the server.

import { h, replace, svg } from "/dom.js";
import { health, ms, percent, plural, rate } from "/format.js";
import { FIGURES } from "/services.js";
import { table } from "/table.js";

const CLASSES = { external: "outside", gateway: "gateway", database: "database", messaging_system: "messages" };

export function topology(context) {
  const picture = h("div", { class: "picture scroll" });
  const detail = h("aside", { class: "detail", "aria-live": "off" });
  const list = h("div");
  const element = h("section", { class: "topology" }, h("h1", null, "Topology"), picture, detail, h("h2", null, "Edges"), list);
  const order = { by: 3, down: true };
  let selected = null;
  let graph = null;

  function select(key) {
    selected = key;
    for (const it of picture.querySelectorAll("[data-key]")) it.classList.toggle("selected", it.dataset.key === key);
    replace(detail, describe(graph, key, context));
  }

  async function refresh() {
    graph = await context.ask("/topology", { seconds: context.seconds });
    replace(picture, graph.nodes.length > 0 ? draw(graph, context, select) : nothing());
    select(selected);
    redraw();
  }

  // The same in words, for whoever does not see the picture.
  function redraw() {
    replace(list, table({
      caption: "Who calls whom", rows: graph.edges, state: order, redraw, key: (it) => `edge ${it.client} ${it.server}`,
      href: (it) => context.href(`/services/${encodeURIComponent(it.client)}`),
      columns: [
        { title: "From", cell: (it) => it.client, sort: (it) => it.client },
        { title: "To", cell: (it) => [it.server, " ", it.connection_type && h("span", { class: "tag" }, it.connection_type)], sort: (it) => it.server },
        ...FIGURES,
      ],
      empty: "Nobody calls anybody in this time.",
    }));
  }
  return { title: "Topology", element, refresh };
}

function nothing() {
  return h("div", { class: "empty" },
    h("p", null, "Nothing was seen in this time."),
    h("p", null, `Send OTLP over HTTP to ${location.origin}: /v1/traces and /v1/metrics.`));
}

function draw(graph, context, select) {
  const margin = 24;
  const [width, height] = [graph.width + 2 * margin, graph.height + 2 * margin];
  const byName = new Map(graph.nodes.map((it) => [it.name, it]));
  const most = Math.max(...graph.edges.map((it) => it.rate), 1e-9);
  const edges = graph.edges.map((edge) => {
    const [from, to] = [byName.get(edge.client), byName.get(edge.server)];
    const key = `${edge.client} → ${edge.server}`;
    const weight = 1.5 + 6 * Math.sqrt(edge.rate / most);
    const label = `${edge.client} to ${edge.server}: ${rate(edge.rate)}, ${percent(edge.success)} succeed, half within ${ms(edge.p50_ms)}`;
    const path = curve(from, to);
    return svg("g", { class: `edge ${health(edge.success)}`, "data-key": key, tabindex: 0, role: "img", "aria-label": label, onmouseenter: () => select(key), onfocus: () => select(key) },
      svg("path", { class: "reach", d: path.d }),
      svg("path", { class: "line", d: path.d, "stroke-width": weight.toFixed(1) }),
      svg("text", { class: "label", x: path.x, y: path.y - 6 - weight / 2, "text-anchor": "middle" }, rate(edge.rate)));
  });
  const nodes = graph.nodes.map((node) => box(node, context, select));
  return svg("svg", { viewBox: `${-margin} ${-margin} ${width} ${height}`, style: { width: `${width}px`, "max-width": "100%" }, role: "group", "aria-label": "Services and who calls whom" }, edges, nodes);
}

function box(node, context, select) {
  const it = node.service;
  const kind = CLASSES[node.class];
  const breaks = it && it.bare_calls > 0 && !it.is_gateway;
  const tags = [kind, breaks && "breaks the trace"].filter(Boolean).join(", ");
  const figures = it ? `${rate(it.rate)} · ${percent(it.success)}` : "says nothing itself";
  const content = [
    svg("rect", { width: node.width, height: node.height, rx: node.class === "gateway" ? 20 : 8 }),
    svg("text", { class: "name", x: 14, y: 24 }, shorten(node.name, 16)),
    svg("text", { class: "figures", x: 14, y: 42 }, figures),
    svg("text", { class: breaks ? "tag warn" : "tag", x: 14, y: 56 }, tags || (it?.p95_ms ? `95 % within ${ms(it.p95_ms)}` : "")),
  ];
  const properties = { class: `node ${node.class} ${health(it?.success)} row-link`, transform: `translate(${node.x} ${node.y})`, "data-key": node.name, onmouseenter: () => select(node.name), onfocus: () => select(node.name) };
  if (!it) return svg("g", { ...properties, tabindex: 0 }, content);
  return svg("a", { ...properties, href: context.href(`/services/${encodeURIComponent(node.name)}`), "aria-label": `${node.name}, ${figures}, ${tags}` }, content);
}

// From the right side of the caller to the left one of whom it calls; round about where that is not
// to the right.
function curve(from, to) {
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  const [x1, x2] = [from.x + from.width, to.x];
  if (from === to) {
    const [x, top] = [from.x + from.width / 2, from.y];
    return { d: `M ${x - 20} ${top} C ${x - 40} ${top - 40}, ${x + 40} ${top - 40}, ${x + 20} ${top}`, x, y: top - 26 };
  }
  if (x2 > x1) {
    const bend = (x2 - x1) / 2;
    return { d: `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
  }
  const below = Math.max(from.y + from.height, to.y + to.height) + 24;
  const [a, b] = [from.x + from.width / 2, to.x + to.width / 2];
  return { d: `M ${a} ${from.y + from.height} C ${a} ${below + 20}, ${b} ${below + 20}, ${b} ${to.y + to.height}`, x: (a + b) / 2, y: below };
}

function describe(graph, key, context) {
  const node = graph.nodes.find((it) => it.name === key);
  const edge = graph.edges.find((it) => `${it.client} → ${it.server}` === key);
  const it = edge ?? node?.service;
  if (!it) return h("p", { class: "hint" }, node ? `${node.name} sends nothing itself: it is known by who calls it.` : "Point at a service or an edge. Width is rate, colour is success.");
  const facts = [
    ["rate", rate(it.rate)], ["success", percent(it.success)], ["requests", it.requests.toLocaleString("en")],
    ["p50", ms(it.p50_ms)], ["p95", ms(it.p95_ms)], ["p99", ms(it.p99_ms)],
  ];
  if (it.open !== undefined && it.open !== null) facts.push(["open", it.open]);
  return [
    h("h2", null, key),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    h("p", { class: "hint" }, it.source === "metrics" ? "Counted by the proxies: every request." : "Counted from recorded spans."),
    node?.service.bare_calls > 0 && !node.service.is_gateway && h("p", { class: "warn" },
      `${plural(it.bare_calls, "call")} of ${it.calls.toLocaleString("en")} that were recorded had no trace context: if ${key} only answers others, it does not pass the headers on.`),
    edge && h("p", null, h("a", { href: context.href("/traces", { service: edge.client }) }, `Traces of ${edge.client}`)),
  ];
}

function shorten(text, most) {
  const all = [...text];
  return all.length > most ? `${all.slice(0, most - 1).join("")}…` : text;
}
