// What the filter would do with a request: its own code answers, in the server.

import { h, replace } from "/dom.js";

const EXAMPLE = {
  config: JSON.stringify({ collector: { cluster: "otel_collector" }, sampling: { ratio: 0.1, keep: { errors: true } }, propagation: { inject: ["tracecontext", "b3multi"] } }, null, 2),
  headers: ":method: GET\n:path: /cart?id=7\nhost: shop.example\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  direction: "gateway",
  source: "",
  peer: "",
};

// What the items of the line are about; the values are the filter's own.
const MEANINGS = {
  service: "whose span it is", in: "the format in which a trace came in", trust: "what the caller's context is worth",
  trust_by: "what says so", sampled: "whether it is recorded", by: "who decided that", ratio: "the share that is kept",
  trace: "the trace", span: "this hop's own id", parent: "the span that caused it", queue: "spans that wait for the collector",
};

export function playground(context, query) {
  const field = (name) => query.get(name) ?? EXAMPLE[name];
  const area = (name, label, rows) => h("label", null, label, h("textarea", { name, rows, spellcheck: "false", oninput: changed }, field(name)));
  const option = (value) => h("option", { value, selected: field("direction") === value }, value);
  const form = h("form", { class: "play", onsubmit: (event) => event.preventDefault() },
    area("headers", "Request headers, one a line", 7),
    h("div", { class: "row" },
      h("label", null, "Listener", h("select", { name: "direction", onchange: changed }, ["gateway", "inbound", "outbound"].map(option))),
      h("label", null, "Client's address", h("input", { name: "source", value: field("source"), placeholder: "10.0.0.7", oninput: changed })),
      h("label", null, "Its certificate says", h("input", { name: "peer", value: field("peer"), placeholder: "spiffe://cluster.local/ns/a/sa/b", oninput: changed }))),
    area("config", "hopspan's configuration", 14));
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const keys = h("details", { class: "keys" }, h("summary", null, "All keys of the configuration"));
  const element = h("section", null, h("h1", null, "Playground"),
    h("p", { class: "hint" }, "What hopspan would do with this request, as the first one of a proxy with this configuration: the filter's own code answers."),
    h("div", { class: "columns" }, form, answer), keys);
  let waiting = null;

  function changed() {
    clearTimeout(waiting);
    waiting = setTimeout(() => ask().catch((error) => replace(answer, h("p", { class: "problem" }, error.message))), 150);
  }

  async function ask() {
    const question = Object.fromEntries(new FormData(form));
    history.replaceState(null, "", `/playground?${new URLSearchParams(question)}`);
    const response = await fetch("/api/play", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) });
    const said = await response.json();
    replace(answer, response.ok ? show(said) : h("p", { class: "problem", role: "alert" }, said.error));
  }

  async function refresh() {
    const [schema] = await Promise.all([context.ask("/schema"), ask()]);
    keys.replaceChildren(keys.firstElementChild, properties(schema));
  }
  return { title: "Playground", element, refresh, follows: false };
}

function show(it) {
  if (it.problems.length > 0) {
    return [h("h2", null, "The configuration is refused"), h("ul", { class: "faults" }, it.problems.map(({ path, message }) =>
      h("li", { class: "problem" }, h("code", null, path), `: ${message}`)))];
  }
  const sampled = it.items.find(([key]) => key === "sampled")?.[1] === "1";
  return [
    it.warnings.map((text) => h("p", { class: "warn" }, text)),
    h("h2", null, it.line === null ? "Switched off: requests pass as they came." : sampled ? "The request is recorded" : "The request is not recorded"),
    h("dl", { class: "attributes items" }, it.items.map(([key, value]) => [h("dt", null, key, h("small", null, MEANINGS[key] ?? "")), h("dd", null, value)])),
    h("h3", null, "The upstream gets"), changes(it.edits, "The headers go on as they came."),
    it.response.length > 0 && [h("h3", null, "The caller gets"), changes(it.response, "")],
    it.line !== null && [h("h3", null, "As a header says it (explain.header)"), h("pre", { class: "line-text" }, it.line)],
    it.stats.length > 0 && [h("h3", null, "hopspan's own stats"), h("ul", { class: "stats" }, it.stats.map(([name, by]) => h("li", null, h("code", null, name), by > 0 ? ` +${by}` : ` ${by}`)))],
  ];
}

function changes(all, none) {
  if (all.length === 0) return h("p", { class: "hint" }, none);
  return h("dl", { class: "attributes" }, all.map(({ name, value }) => [h("dt", null, name), h("dd", null, value === null ? h("em", null, "removed") : h("code", null, value))]));
}

function properties(schema) {
  return h("dl", { class: "schema" }, Object.entries(schema.properties ?? {}).map(([name, it]) => {
    const inner = it.properties ? it : it.items?.properties ? it.items : null;
    const facts = [it.type, it.enum && it.enum.join(" | "), it.default !== undefined && `default ${JSON.stringify(it.default)}`].filter(Boolean).flat().join(", ");
    return [h("dt", null, h("code", null, name), " ", h("small", null, facts)), h("dd", null, it.description, inner && properties(inner))];
  }));
}
