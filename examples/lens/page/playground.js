// What the filter would do with a request. The filter's own code answers, in this page: what is
// pasted may hold secrets, so it goes neither to a server nor by itself into an address.

import { h, replace } from "/dom.js";
import { explain } from "/explain.js";
import { pathAt, placeOf } from "/places.js";
import { documentation, entry, lookup } from "/schema.js";

const EXAMPLE = {
  request: "GET /cart?id=7\nhost: shop.example\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  config: JSON.stringify({ collector: { cluster: "otel_collector" }, sampling: { ratio: 0.1, keep: { errors: true } }, propagation: { inject: ["tracecontext", "b3multi"] } }, null, 2),
  direction: "gateway",
};

const MORE = {
  filter_chain: ["Filter chain", ""],
  route: ["Route's name", ""],
  cluster: ["Cluster", "outbound|80||shop"],
  route_disabled: ["Route's metadata: disabled", "true"],
  route_sampling_ratio: ["Route's metadata: sampling_ratio", "0.5"],
  node_id: ["Node's id", "router~10.0.0.7~gateway.istio~cluster.local"],
  node_cluster: ["Node's cluster", "shop"],
};

// What the command calls by the name of an option.
const OPTIONS = {
  "--method": "the method", "--host": "the host", "--path": "the path", "--direction": "the listener", "--source": "the client's address",
  "--peer": "what the client's certificate says", "--filter-chain": "the filter chain", "--route": "the route's name", "--cluster": "the cluster",
  "--route-disabled": "disabled in the route's metadata", "--route-sampling-ratio": "sampling_ratio in the route's metadata",
};

// What was typed, for whoever comes back to this view. A new page begins anew.
let kept = EXAMPLE;

export function playground(context) {
  const linked = location.hash.length > 1 ? Object.fromEntries(new URLSearchParams(location.hash.slice(1))) : null;
  kept = linked ?? kept;
  const value = (name) => kept[name] ?? "";
  const input = (name, label, more) => h("label", null, label, h("input", { name, value: value(name), autocomplete: "off", spellcheck: "false", oninput: changed, ...more }));
  const area = (name, label, rows, more) => h("label", null, label, h("textarea", { name, rows, spellcheck: "false", oninput: changed, ...more }, value(name)));
  const option = (it) => h("option", { value: it, selected: (value("direction") || "gateway") === it }, it);
  const shown = () => describe(pathAt(config.value, config.selectionStart));
  const configArea = area("config", "hopspan's configuration", 14, { onclick: shown, onkeyup: shown });
  const config = configArea.querySelector("textarea");
  const about = h("div", { class: "about", "aria-live": "polite" });
  const isOpen = [...Object.keys(MORE), "environment"].some((name) => value(name));
  const link = h("button", { type: "button", onclick: toAddress }, "Put it into the address");
  const said = h("span", { class: "hint", role: "status" });
  const form = h("form", { class: "play", onsubmit: (event) => event.preventDefault() },
    area("request", "Request: its line if you have it, and headers, one a line", 6),
    h("div", { class: "row" },
      h("label", null, "Listener", h("select", { name: "direction", onchange: changed }, ["gateway", "inbound", "outbound"].map(option))),
      input("source", "Client's address", { placeholder: "10.0.0.7" }),
      input("peer", "Its certificate says", { placeholder: "spiffe://cluster.local/ns/a/sa/b" })),
    h("details", { open: isOpen }, h("summary", null, "More that a proxy knows"),
      h("div", { class: "more-fields" }, Object.entries(MORE).map(([name, [label, placeholder]]) => input(name, label, { placeholder })),
        area("environment", "Environment, NAME=VALUE, one a line", 2))),
    configArea, about,
    h("p", { class: "link" }, link, " ", said));
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const keys = h("section", { class: "keys", "aria-labelledby": "keys-of" }, h("h2", { id: "keys-of" }, "All keys of the configuration"));
  const element = h("section", null, h("h1", null, "Playground"),
    h("p", { class: "hint" }, "What hopspan would do with this request, as the first one of a proxy with this configuration. The filter's own code answers, inside this page: nothing of it goes anywhere."),
    h("div", { class: "columns" }, form, answer), keys);
  let schema = null;
  let waiting = null;

  const typed = () => Object.fromEntries([...new FormData(form)].filter(([, it]) => it !== ""));

  function changed() {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 120);
  }

  async function ask() {
    kept = typed();
    said.textContent = "";
    try {
      const it = await explain(kept);
      mark(it.wrong?.field);
      replace(answer, ...[show(it)].flat());
    } catch (error) {
      replace(answer, h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  function mark(wrong) {
    for (const it of form.elements) it.setAttribute("aria-invalid", String(it.name !== "" && it.name === wrong));
  }

  // Behind the #, which browsers keep to themselves.
  function toAddress() {
    history.replaceState(null, "", `${location.pathname}${location.search}#${new URLSearchParams(typed())}`);
    said.textContent = "The address has all of it now, secrets included. A browser sends that part of it nowhere.";
  }

  function describe(path) {
    const found = schema && path && lookup(schema, path);
    replace(about, found ? entry(found) : h("p", { class: "hint" }, "Put the cursor on a key to read about it."));
  }

  function show(it) {
    if (it.wrong) return h("p", { class: "problem", role: "alert" }, it.wrong.message);
    if (it.problems) return [h("h2", null, "The configuration is refused"), h("ul", { class: "faults" }, it.problems.map(problem))];
    return result(it);
  }

  // Leads to its place, and has the key's documentation below it.
  function problem({ path, message }) {
    const select = () => {
      const place = placeOf(config.value, path);
      if (!place) return;
      config.focus();
      config.setSelectionRange(place.from, place.to);
      describe(path);
    };
    const found = schema && lookup(schema, path);
    return h("li", null,
      h("p", { class: "problem" }, h("button", { type: "button", class: "place", onclick: select, title: "Show where" }, path), `: ${message}`),
      found && entry(found));
  }

  async function refresh() {
    const [it] = await Promise.all([schema ?? context.ask("/schema"), ask()]);
    if (schema) return;
    schema = it;
    keys.append(...documentation(schema));
    describe("");
    await ask(); // problems have their documentation now
  }
  return { title: "Playground", element, refresh, follows: false };
}

function result({ explanation, items, untold, warnings }) {
  const { summary, line, request_headers: request, response_headers: response, stats, not_given: lacking, not_needed: idle } = explanation;
  const counted = Object.entries(stats);
  const named = (it) => OPTIONS[it] ?? it;
  return [
    warnings.map((text) => h("p", { class: "warn" }, text)),
    h("p", { class: `verdict ${explanation.sampled ? "yes" : "no"}` }, summary),
    items.length > 0 && [h("h3", null, "Why"), h("dl", { class: "items" }, items.map(([key, value, meaning]) =>
      [h("dt", null, key), h("dd", null, h("code", null, value), h("small", null, meaning))]))],
    h("h3", null, "Request headers"), changes(request, "none: no trace header comes, and none goes on"),
    (response.length > 0 || untold) && [h("h3", null, "Response headers"), changes(response, `none: ${untold}`)],
    counted.length > 0 && [h("h3", null, "Counted, in the proxy's stats as wasmcustom.*"), h("ul", { class: "stats" }, counted.map(([name, by]) =>
      h("li", null, `${by > 0 ? "+" : ""}${by} `, h("code", null, name))))],
    lacking.length > 0 && [h("h3", null, "Not given, though the answer may depend on it"), h("ul", null, lacking.map(({ option, assumed, asked_by: by }) =>
      h("li", null, `${named(option)}: asked by ${by.join(", ")}; assumed: ${assumed}`)))],
    idle.length > 0 && [h("h3", null, "Given, though nothing depended on it"), h("ul", null, idle.map((it) => h("li", null, named(it))))],
    line !== null && [h("h3", null, "In one line, as explain.header gives it"), h("pre", { class: "line-text" }, line)],
  ];
}

function changes(all, none) {
  if (all.length === 0) return h("p", { class: "hint" }, none);
  return h("ul", { class: "changes" }, all.map(({ name, change, before, after }) => {
    const present = change === "removed" ? before : after;
    return [
      present.map((value) => h("li", { class: change }, h("span", { class: "change" }, change), h("code", null, `${name}: ${value}`))),
      change === "changed" && before.map((value) => h("li", { class: "was" }, h("span", { class: "change" }, "was"), h("code", null, `${name}: ${value}`))),
    ];
  }));
}
