// Restores the jets of a bottleneck file without hepae: JSROOT reads the branches, ONNX Runtime runs the decoder.
//
//   node restore.mjs FILE.root DIRECTORY [--events N] [--values FILE.json]
//
// DIRECTORY is what `hepae export-onnx` wrote: decoder.onnx and transforms.json, whose fields are used below by name.

import { readFileSync, writeFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { openFile } from "jsroot/io";
import { TSelector, treeProcess } from "jsroot/tree";
import * as ort from "onnxruntime-node";

const BATCH = 4096; // objects: the fastest for ONNX Runtime
const WIDTH = { float32: 4, float64: 8, int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, bool: 1 };

class Events extends TSelector {
  constructor(branches) {
    super();
    this.events = [];
    branches.forEach((name) => this.addBranch(name));
  }
  Process() {
    // JSROOT uses its arrays again for the next event
    const copy = (value) => (typeof value === "number" ? value : Array.from(value ?? []));
    this.events.push(Object.fromEntries(Object.entries(this.tgtobj).map(([name, value]) => [name, copy(value)])));
  }
}

async function readEvents(path, facts, most) {
  const file = await openFile(path);
  const tree = await file.readObject("Events");
  const branches = [facts.counter, ...Object.values(facts.branches), ...facts.columns.map((column) => column.payload)];
  const selector = new Events(branches);
  await treeProcess(tree, selector, { numentries: most });
  return selector.events;
}

// Stored latents as the decoder takes them.
function loaded(facts, stored) {
  const { dtype, low, step } = facts.latent;
  return Float32Array.from(stored, (value, index) => {
    if (dtype === "float32") return value;
    if (dtype === "float16") return half(value);
    const j = index % facts.latents;
    return Math.fround(Math.fround(value * Math.fround(step[j])) + Math.fround(low[j]));
  });
}

function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (fraction + 1024) * 2 ** (exponent - 25);
  return bits >> 15 ? -size : size;
}

async function decoded(session, facts, latents) {
  const objects = latents.length / facts.latents;
  const input = new ort.Tensor("float32", latents, [objects, facts.latents]);
  return (await session.run({ latents: input })).features.data;
}

// A value from its bits, at a place in a view.
function value(view, at, dtype) {
  if (dtype === "bool") return view.getUint8(at) !== 0;
  const name = { f: "Float", i: "Int", u: "Uint" }[dtype[0]] + 8 * WIDTH[dtype];
  return view[`get${name}`](at, true);
}

function frequentValues(column) {
  return column.frequent.map((hexadecimal) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(`0x${hexadecimal}`), true);
    return value(view, 0, column.dtype);
  });
}

// To the nearest integer, halves to the even one.
function rounded(x) {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

function corrected(column, output, code) {
  const { function: shape, shift, scale, low, high } = column.transform;
  let x = Math.min(Math.max(output, low), high) / scale + shift;
  if (shape === "log") x = Math.exp(Math.min(Math.max(x, -745.0), 709.78));
  const number = code - 1 - column.frequent.length;
  const c = number % 2 ? -(number + 1) / 2 : number / 2;
  if (column.kind === "integer") return rounded(x / column.step) * column.step + c;
  const moved = column.kind === "abs" ? x + c * column.step : x * column.step ** c;
  return column.dtype === "float32" ? Math.fround(moved) : moved;
}

// All features of a run of events, from the decoder's outputs for its objects.
function restored(facts, events, outputs, into) {
  let first = 0;
  for (const event of events) {
    const objects = event[facts.counter];
    const escapes = new DataView(Uint8Array.from(event[facts.branches.escape]).buffer);
    facts.columns.forEach((column, place) => {
      const codes = event[column.payload];
      const values = new Array(objects);
      for (let k = 0; k < objects; ++k) {
        const code = codes[k];
        if (code > 0 && code <= column.frequent.length) values[k] = column.values[code - 1];
        else if (code > 0) values[k] = corrected(column, outputs[(first + k) * facts.columns.length + place], code);
      }
      for (let at = 0; at < escapes.byteLength; at += facts.escape.bytes)
        if (escapes.getUint16(at + 4, true) === place)
          values[escapes.getUint32(at, true)] = value(escapes, at + 6, column.dtype);
      if (values.includes(undefined)) throw new Error(`${column.name}: an escape is missing`);
      into[column.name].push(...values);
    });
    first += objects;
  }
}

function requireModel(facts, events) {
  for (const event of events)
    if (event[facts.branches.model] !== facts.model) throw new Error("events of another model than the one exported");
  if (facts.latents_only) throw new Error("a model without corrections: its values have no bound");
}

const empty = (facts) => Object.fromEntries(facts.columns.map((column) => [column.name, []]));
const quantile = (times, share) => times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))];

async function oneByOne(session, facts, events) {
  const values = empty(facts);
  const times = [];
  for (const event of events) {
    const began = performance.now();
    const objects = event[facts.counter];
    const outputs = objects ? await decoded(session, facts, loaded(facts, event[facts.branches.latent])) : [];
    restored(facts, [event], outputs, values);
    times.push(1000 * (performance.now() - began));
  }
  return { values, times };
}

async function inBatches(session, facts, events) {
  const values = empty(facts);
  for (let first = 0; first < events.length; ) {
    let last = first;
    for (let objects = 0; last < events.length && objects < BATCH; ++last) objects += events[last][facts.counter];
    const run = events.slice(first, last);
    const latents = loaded(facts, run.flatMap((event) => event[facts.branches.latent]));
    restored(facts, run, latents.length ? await decoded(session, facts, latents) : [], values);
    first = last;
  }
  return values;
}

function option(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

const [path, directory] = process.argv.slice(2);
const facts = JSON.parse(readFileSync(`${directory}/transforms.json`, "utf8"));
facts.columns.forEach((column) => (column.values = frequentValues(column)));
const session = await ort.InferenceSession.create(`${directory}/decoder.onnx`, {
  executionProviders: ["cpu"], intraOpNumThreads: 1, interOpNumThreads: 1,
});
const events = await readEvents(path, facts, Number(option("--events") ?? 1e15));
requireModel(facts, events);
const jets = events.reduce((sum, event) => sum + event[facts.counter], 0);

await oneByOne(session, facts, events.slice(0, 200)); // warm up
const { values, times } = await oneByOne(session, facts, events);
await inBatches(session, facts, events);
const began = performance.now();
const batched = await inBatches(session, facts, events);
const seconds = (performance.now() - began) / 1000;

const total = times.reduce((sum, time) => sum + time, 0) / 1e6;
console.log(`${events.length} events, ${jets} objects, ${facts.columns.length} features`);
console.log(
  `one event at a time: median ${quantile(times, 0.5).toFixed(0)} us, 99th percentile ` +
  `${quantile(times, 0.99).toFixed(0)} us per event, ${(jets / total).toFixed(0)} jets/s`,
);
console.log(`in batches of ${BATCH} jets: ${(jets / seconds).toFixed(0)} jets/s`);
const differ = facts.columns.filter(({ name }) => batched[name].length !== values[name].length);
if (differ.length) throw new Error("batches and single events restore another number of objects");
if (option("--values")) {
  // JSON has no NaN, no infinities and no -0
  const words = (key, x) => (typeof x === "number" && (!Number.isFinite(x) || Object.is(x, -0)) ? (Object.is(x, -0) ? "-0" : String(x)) : x);
  writeFileSync(option("--values"), JSON.stringify(batched, words));
}
