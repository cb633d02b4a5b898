// The configuration's keys and what the schema says of them.

import { h, replace } from "/dom.js";

// Every key: [path, node], in the schema's order. `[]` is any entry of a list, `*` any name.
export function keys(schema, path = "") {
  const inside = path && [[path, schema]];
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, it]) => keys(it, path ? `${path}.${name}` : name));
  const entries = schema.items?.properties ? keys(schema.items, `${path}[]`).slice(1) : [];
  const any = typeof schema.additionalProperties === "object" ? keys(schema.additionalProperties, `${path}.*`) : [];
  return [...(inside || []), ...named, ...entries, ...any.filter(([, it]) => it.description)];
}

// What there is to know of a path such as sampling.rules[0].ratio: of itself, or of the nearest
// key around it that the schema has.
export function lookup(schema, path) {
  let [node, known] = [schema, ""];
  for (const part of path.match(/\[\d*\]|[^.[]+/g) ?? []) {
    const lists = [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];
    const inner = part.startsWith("[")
      ? lists.find((it) => it.items)?.items
      : node.properties?.[part] ?? (typeof node.additionalProperties === "object" ? node.additionalProperties : undefined);
    if (!inner) break;
    known += part.startsWith("[") || !known ? part : `.${part}`;
    node = inner.description ? inner : { description: node.description, ...inner };
  }
  return known ? [known, node] : null;
}

// A key with what it may be and what it means.
export function entry([path, node]) {
  return h("div", { class: "key", "data-path": path },
    h("code", null, path), " ", h("small", null, facts(node)), h("p", null, node.description ?? ""));
}

function facts(node) {
  const { minimum, maximum } = node;
  const range = minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : null;
  const choice = node.enum?.map((it) => JSON.stringify(it)).join(" | ");
  const nothing = node.default === undefined || (typeof node.default === "object" && Object.keys(node.default).length === 0);
  const kinds = [node.type].flat().filter(Boolean).map((it) => ({ integer: "whole number", array: "list" })[it] ?? it).join(" or ");
  return [choice ?? kinds, range, !nothing && `default ${JSON.stringify(node.default)}`].filter(Boolean).join(", ");
}

// All keys, with a field that leaves those out which say nothing of a word.
export function documentation(schema) {
  const all = keys(schema).map(entry);
  const list = h("div", { class: "schema" }, all);
  const none = h("p", { class: "hint" });
  const search = (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = all.filter((it) => words.every((word) => it.textContent.toLowerCase().includes(word)));
    replace(list, ...fits);
    none.textContent = fits.length === 0 ? "No key says that." : "";
  };
  return [h("label", { class: "find-key" }, "Find a key", h("input", { type: "search", oninput: search, placeholder: "ratio" })), none, list];
}
