// The filter's own core, in this page: a question goes in, an answer comes out, and neither goes
// anywhere else. The other side is examples/lens/playground/src/exports.rs.

let module = null;

async function load() {
  const response = await fetch("/explain.wasm");
  if (!response.ok) throw new Error(await response.text());
  return WebAssembly.compileStreaming(response);
}

// Each question has an instance of its own, so that none finds what another left behind. Without
// `seed`, ids and dice are random.
export async function explain(question) {
  module ??= load().catch((error) => {
    module = null; // the next question tries again
    throw error;
  });
  const { exports } = await WebAssembly.instantiate(await module);
  const seed = [...crypto.getRandomValues(new Uint32Array(8))];
  for (const byte of new TextEncoder().encode(JSON.stringify({ seed, ...question }))) exports.push(byte);
  const bytes = Uint8Array.from({ length: exports.answer() }, (_, index) => exports.at(index));
  return JSON.parse(new TextDecoder().decode(bytes));
}
