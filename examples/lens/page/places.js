// Where each key of a JSON text is, finished or not: a person is just writing it.

const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;

// [{ path, from, to }], outer ones first; a path is written as in problems: sampling.rules[0].ratio
export function places(text) {
  const [found, stack] = [[], []];
  const begin = (path, from) => {
    const place = { path, from, to: text.length };
    found.push(place);
    return place;
  };
  const end = (frame, at) => {
    if (frame?.open) frame.open.to = at;
    if (frame) frame.open = null;
  };
  for (const { 0: token, index: at } of text.matchAll(TOKEN)) {
    const top = stack.at(-1);
    const here = top ? top.open?.path ?? top.path : "";
    if (token === "{") {
      stack.push({ path: here, wantsKey: true, open: null });
    } else if (token === "[") {
      stack.push({ path: here, index: 0, open: begin(`${here}[0]`, at + 1) });
    } else if (token === "}" || token === "]") {
      end(top, at);
      stack.pop();
    } else if (token === ",") {
      end(top, at);
      if (top?.index !== undefined) top.open = begin(`${top.path}[${++top.index}]`, at + 1);
      else if (top) top.wantsKey = true;
    } else if (token === ":") {
      if (top) top.wantsKey = false;
    } else if (top?.wantsKey && token.startsWith('"')) {
      const key = token.replace(/^"|"$/g, "");
      top.open = begin(top.path ? `${top.path}.${key}` : key, at);
    }
  }
  return found;
}

// The path of the innermost key around a place in the text; "" outside of all.
export function pathAt(text, offset) {
  return places(text).filter((it) => it.from <= offset && offset <= it.to).at(-1)?.path ?? "";
}

// Where a problem is: at its path, or at the nearest one around it, or at "line 3 column 7".
export function placeOf(text, path) {
  const [, line, column] = /^line (\d+) column (\d+)$/.exec(path) ?? [];
  if (line) {
    const from = text.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0) + Math.max(0, column - 1);
    return { from, to: Math.min(text.length, from + 1) };
  }
  const isAround = (it) => path === it.path || (path.startsWith(it.path) && ".[".includes(path[it.path.length]));
  return places(text).filter(isAround).at(-1) ?? null;
}
