// Elements out of plain values. Text is always text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

// h("a", { href: "/", class: "x", onclick: f }, "text", child, [more]): null and false are left out.
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([key, it]) => element.style.setProperty(key, it));
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

// Puts new content in place of the old; whoever has the focus keeps it, by its data-key.
export function replace(parent, ...children) {
  const active = document.activeElement;
  const key = parent.contains(active) ? active.closest("[data-key]")?.dataset.key : undefined;
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key !== undefined) {
    for (const it of parent.querySelectorAll("[data-key]")) {
      if (it.dataset.key === key) it.focus({ preventScroll: true });
    }
  }
}
