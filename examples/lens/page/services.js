// Services and their routes, with the figures that one looks at first.

import { h, replace } from "/dom.js";
import { count, ms, plural, rate } from "/format.js";
import { sparkline, success, table } from "/table.js";

export const FIGURES = [
  { title: "Success", cell: success, sort: (it) => it.success, right: true },
  { title: "Rate", cell: (it) => rate(it.rate), sort: (it) => it.rate, right: true },
  { title: "p50", cell: (it) => ms(it.p50_ms), sort: (it) => it.p50_ms, right: true, hint: "half of all took no longer" },
  { title: "p95", cell: (it) => ms(it.p95_ms), sort: (it) => it.p95_ms, right: true },
  { title: "p99", cell: (it) => ms(it.p99_ms), sort: (it) => it.p99_ms, right: true },
];
const SPARK = { title: "Requests over time", cell: (it) => sparkline(it) };

export function services(context) {
  const [list, routes] = [h("div"), h("div")];
  const element = h("section", null, h("h1", null, "Services"), list, h("h2", null, "Routes"), routes);
  const [order, routeOrder] = [{ by: 2, down: true }, { by: 3, down: true }];
  let answers = null;

  function redraw() {
    const [all, ways] = answers;
    replace(list, table({
      caption: "Requests that each service received", rows: all, key: (it) => it.name, state: order, redraw,
      href: (it) => context.href(`/services/${encodeURIComponent(it.name)}`),
      columns: [
        { title: "Service", cell: (it) => it.name, sort: (it) => it.name },
        ...FIGURES,
        { title: "Open", cell: (it) => it.open ?? "–", sort: (it) => it.open, right: true, hint: "requests that are open now" },
        SPARK,
        { title: "", cell: marks },
      ],
      empty: "No requests in this time.",
    }));
    replace(routes, routeTable(context, ways, routeOrder, redraw, true));
  }

  async function refresh() {
    const asked = { seconds: context.seconds };
    answers = await Promise.all([context.ask("/services", asked), context.ask("/routes", asked)]);
    redraw();
  }
  return { title: "Services", element, refresh };
}

export function service(context, _query, name) {
  const body = h("div");
  const element = h("section", null,
    h("p", { class: "path" }, h("a", { href: context.href("/services") }, "Services")),
    h("h1", null, name), body);
  const orders = { routes: { by: 2, down: true }, outbound: { by: 2, down: true }, callers: { by: 2, down: true }, callees: { by: 2, down: true } };
  let page = null;

  function redraw() {
    const it = page.service;
    const facts = [
      ["success", success(it)], ["rate", rate(it.rate)], ["p50", ms(it.p50_ms)], ["p95", ms(it.p95_ms)],
      ["p99", ms(it.p99_ms)], ["requests", count(it.requests)], ["open", it.open ?? "–"],
    ];
    replace(body,
      h("dl", { class: "facts tiles" }, facts.map(([key, value]) => h("div", null, h("dt", null, key), h("dd", null, value)))),
      sparkline(it, 640, 64),
      h("p", { class: "hint" }, it.source === "metrics" ? "Counted by the proxies: every request." : "Counted from recorded spans: as many requests as were sampled."),
      it.bare_calls > 0 && !it.is_gateway && h("p", { class: "warn" }, `${plural(it.bare_calls, "call")} of ${count(it.calls)} that it made had no trace context.`),
      h("p", null, h("a", { href: context.href("/traces", { service: name }) }, `Traces of ${name}`), " · ",
        h("a", { href: context.href("/traces", { service: name, failed: true }) }, "those that failed")),
      h("h2", null, "Routes"), routeTable(context, page.routes, orders.routes, redraw, false),
      h("h2", null, "Callers"), edgeTable(context, page.callers, orders.callers, redraw, "client"),
      h("h2", null, "Whom it calls"), edgeTable(context, page.callees, orders.callees, redraw, "server"),
      page.outbound.length > 0 && [h("h2", null, "Requests that it makes"), routeTable(context, page.outbound, orders.outbound, redraw, false)]);
  }

  async function refresh() {
    page = await context.ask(`/services/${encodeURIComponent(name)}`, { seconds: context.seconds });
    redraw();
  }
  return { title: name, element, refresh };
}

function routeTable(context, rows, state, redraw, withService) {
  return table({
    caption: "By route", rows, state, redraw, key: (it) => `${it.service} ${it.peer} ${it.route}`,
    href: (it) => context.href("/traces", { service: it.service, route: it.route }),
    columns: [
      { title: "Route", cell: (it) => [it.peer && h("span", { class: "to" }, `${it.peer} `), it.route || "(none)"], sort: (it) => `${it.peer} ${it.route}` },
      ...(withService ? [{ title: "Service", cell: (it) => it.service, sort: (it) => it.service }] : []),
      ...FIGURES,
      { title: "Statuses", cell: statuses },
      SPARK,
    ],
    empty: "No requests in this time.",
  });
}

function edgeTable(context, rows, state, redraw, side) {
  return table({
    caption: "By service", rows, state, redraw, key: (it) => `${side} ${it[side]}`,
    href: (it) => context.href(`/services/${encodeURIComponent(it[side])}`),
    columns: [{ title: "Service", cell: (it) => it[side], sort: (it) => it[side] }, ...FIGURES, SPARK],
    empty: side === "client" ? "Nobody who says so." : "Nobody.",
  });
}

function statuses(it) {
  return Object.entries(it.statuses).map(([status, requests]) =>
    h("span", { class: `status ${statusClass(status)}` }, `${status || "none"} × ${count(requests)}`));
}

export function statusClass(status) {
  if (/^[45]/.test(status)) return status.startsWith("5") ? "bad" : "fair";
  return /^[A-Za-z]/.test(status) && status !== "OK" ? "fair" : "";
}

function marks(it) {
  return [
    it.is_gateway && h("span", { class: "tag" }, "gateway"),
    it.side === "client" && h("span", { class: "tag", title: "only requests that it makes are known" }, "caller"),
    it.source === "spans" && h("span", { class: "tag", title: "counted from recorded spans" }, "from spans"),
    it.bare_calls > 0 && !it.is_gateway && h("span", { class: "tag warn", title: `${it.bare_calls} of ${it.calls} recorded calls had no trace context` }, "breaks the trace"),
  ];
}
