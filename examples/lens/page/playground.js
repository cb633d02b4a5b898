// What the filter would do with a request.

import { h } from "/dom.js";

export function playground() {
  const element = h("section", null, h("h1", null, "Playground"), h("p", null, "In a terminal, this says what the filter would do with a request, and why:"),
    h("pre", null, "./build.sh explain --config hopspan.json --direction gateway -H 'traceparent: 00-…'"));
  return { title: "Playground", element };
}
