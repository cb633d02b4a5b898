// Tables that can be sorted, and the little pictures in them.

import { h, svg } from "/dom.js";
import { health, percent } from "/format.js";

// Columns: { title, cell(row), sort(row), right, hint }. The order is kept by `state`, so that it outlives
// the table. Rows get an address from `href`, and are walked with j and k.
export function table({ caption, columns, rows, key, href, state, redraw, empty }) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty ?? "Nothing yet.");
  const { by, down } = state;
  const column = columns[by];
  const compare = (a, b) => {
    const [x, y] = [column.sort(a) ?? -Infinity, column.sort(b) ?? -Infinity];
    return typeof x === "string" ? x.localeCompare(y) : x - y;
  };
  const sorted = column?.sort ? [...rows].sort((a, b) => (down ? -compare(a, b) : compare(a, b))) : rows;
  const head = columns.map((it, index) => {
    const order = index === by ? (down ? "descending" : "ascending") : null;
    const sort = () => {
      state.down = index === by ? !down : typeof it.sort(rows[0]) !== "string";
      state.by = index;
      redraw();
    };
    const title = it.sort
      ? h("button", { type: "button", onclick: sort, "data-key": `sort ${index}`, title: it.hint }, it.title)
      : it.title;
    return h("th", { scope: "col", class: it.right && "right", "aria-sort": order }, title);
  });
  const body = sorted.map((row) => {
    const to = href?.(row);
    const cells = columns.map((it, index) => {
      const content = it.cell(row);
      const cell = index === 0 && to ? h("a", { href: to, "data-key": key(row), class: "row-link" }, content) : content;
      return h("td", { class: it.right ? "right" : "text" }, cell);
    });
    return h("tr", null, cells);
  });
  return h("div", { class: "scroll" },
    h("table", null, h("caption", null, caption), h("thead", null, h("tr", null, head)), h("tbody", null, body)));
}

export function success(figures) {
  return h("span", { class: `pill ${health(figures.success)}` }, percent(figures.success));
}

// Requests a second over time; the part that failed in red.
export function sparkline({ steps, failed_steps }, width = 120, height = 26) {
  const most = Math.max(...steps, 1e-9);
  const at = (values) => {
    const points = values.map((value, index) => {
      const x = (index / Math.max(values.length - 1, 1)) * width;
      return `${x.toFixed(1)},${(height - (value / most) * (height - 1)).toFixed(1)}`;
    });
    return `0,${height} ${points.join(" ")} ${width},${height}`;
  };
  const label = `up to ${most.toFixed(2)} requests a second`;
  return svg("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("polygon", { class: "all", points: at(steps) }),
    failed_steps.some((it) => it > 0) && svg("polygon", { class: "failed", points: at(failed_steps) }));
}
