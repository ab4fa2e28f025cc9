import type { Rng } from "@sdmprune/core";
import { INDEX_NAME, type CheckpointFiles } from "./fuzz-checkpoint.js";

/** A damaged checkpoint: what was done to it, and its files. */
export interface Mutation {
  readonly kind: string;
  readonly what: string;
  readonly files: CheckpointFiles;
}

type Mutate = (files: CheckpointFiles, rng: Rng) => { what: string; files: CheckpointFiles };

const MUTATIONS: Record<string, Mutate> = {
  truncation: (files, rng) => {
    const name = pick(rng, Object.keys(files));
    const bytes = files[name]!;
    const length = rng.integer(bytes.byteLength);
    return { what: `${name} cut to ${length} bytes`, files: { ...files, [name]: bytes.slice(0, length) } };
  },
  "flipped bytes": (files, rng) => {
    const name = pick(rng, Object.keys(files));
    const bytes = files[name]!.slice();
    // Half of the time near the start, where lengths and headers are.
    const reach = rng.integer(2) === 0 ? Math.min(bytes.byteLength, 400) : bytes.byteLength;
    const places = Array.from({ length: 1 + rng.integer(3) }, () => rng.integer(reach));
    for (const place of places) bytes[place]! ^= 1 + rng.integer(255);
    return { what: `${name} changed at ${places.join(", ")}`, files: { ...files, [name]: bytes } };
  },
  "overlapping offsets": (files, rng) =>
    inHeader(files, rng, (header) => {
      const [name, other] = rng.shuffle(Object.keys(header).filter((key) => key !== "__metadata__"));
      const offsets = (header[name!] as Entry).data_offsets;
      const shift = rng.integer(3) === 0 ? -offsets[0]! : (rng.integer(64) - 32) * 2;
      switch (rng.integer(4)) {
        case 0:
          (header[name!] as Entry).data_offsets = [...(header[other!] as Entry).data_offsets];
          break;
        case 1:
          (header[name!] as Entry).data_offsets = offsets.map((offset) => offset + shift);
          break;
        case 2:
          (header[name!] as Entry).data_offsets = [offsets[1]!, offsets[0]!];
          break;
        default:
          (header[name!] as Entry).data_offsets = [offsets[0]! + shift, offsets[1]!];
      }
      return `offsets of ${name}`;
    }),
  "huge lengths": (files, rng) => {
    const huge = pick(rng, [2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, 1e18, 1e308, -1, 99_999_999, 0.5]);
    if (rng.integer(2) === 0) {
      const name = pick(
        rng,
        Object.keys(files).filter((file) => file.endsWith(".safetensors")),
      );
      const bytes = files[name]!.slice();
      const length = BigInt.asUintN(64, BigInt(Math.min(Math.floor(huge), Number.MAX_SAFE_INTEGER)));
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      return { what: `header length of ${name}: ${length}`, files: { ...files, [name]: bytes } };
    }
    return inHeader(files, rng, (header) => {
      const entry = header[
        pick(
          rng,
          Object.keys(header).filter((key) => key !== "__metadata__"),
        )
      ] as Entry;
      const list = rng.integer(2) === 0 ? entry.shape : entry.data_offsets;
      list[rng.integer(list.length)] = huge;
      return `a ${huge} in a shape or offset`;
    });
  },
  "names that lead outside": (files, rng) =>
    inJson(files, INDEX_NAME, (index) => {
      const map = index.weight_map as Record<string, string>;
      const tensor = pick(rng, Object.keys(map));
      const evil = pick(rng, [
        "../", "../../", "/", "/etc/", "..\\", "C:\\", "sub/", "./", "sub/../../", "\\\\host\\share\\", "\0", "//", "~/../", "..\\/",
      ]); // prettier-ignore
      const keepsOwnName = rng.integer(2) === 0;
      map[tensor] = keepsOwnName ? evil + map[tensor] : `${evil}${rng.integer(1000)}.safetensors`;
      return `${tensor} in ${JSON.stringify(map[tensor])}`;
    }),
  "NaN weights": (files, rng) => {
    const name = pick(
      rng,
      Object.keys(files).filter((file) => file.endsWith(".safetensors")),
    );
    const bytes = files[name]!.slice();
    const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const halves = Math.floor((bytes.byteLength - start) / 2);
    const count = 1 + rng.integer(halves);
    for (let i = 0; i < count; i++) {
      const value = pick(rng, [0x7fc0, 0xffc0, 0x7f81, 0x7f80, 0xff80]);
      new DataView(bytes.buffer).setUint16(start + 2 * rng.integer(halves), value, true);
    }
    return { what: `${count} NaNs or infinities in ${name}`, files: { ...files, [name]: bytes } };
  },
  "bad index": (files, rng) => inText(files, INDEX_NAME, rng),
  "bad config": (files, rng) => inText(files, "config.json", rng),
  "bad tokenizer": (files, rng) =>
    rng.integer(3) === 0
      ? inText(files, "tokenizer.json", rng)
      : inJson(files, "tokenizer.json", (tokenizer) => mutateValue(tokenizer, rng)),
};

/** Kinds of damage, in a fixed order. */
export const MUTATION_KINDS = Object.keys(MUTATIONS);

/** Damages a checkpoint in one way of a kind; the same `rng` state gives the same damage. */
export function mutate(kind: string, files: CheckpointFiles, rng: Rng): Mutation {
  return { kind, ...MUTATIONS[kind]!(files, rng) };
}

interface Entry {
  shape: number[];
  data_offsets: number[];
}

type Json = Record<string, unknown>;

/** Changes the header of one file of weights and keeps its data. */
function inHeader(files: CheckpointFiles, rng: Rng, change: (header: Json) => string) {
  const name = pick(
    rng,
    Object.keys(files).filter((file) => file.endsWith(".safetensors")),
  );
  const bytes = files[name]!;
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end))) as Json;
  const what = `${name}: ${change(header)}`;
  const json = new TextEncoder().encode(JSON.stringify(header));
  const changed = new Uint8Array(8 + json.byteLength + bytes.byteLength - end);
  new DataView(changed.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  changed.set(json, 8);
  changed.set(bytes.subarray(end), 8 + json.byteLength);
  return { what, files: { ...files, [name]: changed } };
}

function inJson(files: CheckpointFiles, name: string, change: (value: Json) => string) {
  const value = JSON.parse(new TextDecoder().decode(files[name])) as Json;
  const what = `${name}: ${change(value)}`;
  return { what, files: { ...files, [name]: new TextEncoder().encode(JSON.stringify(value)) } };
}

/** Replaces, removes or moves a value somewhere in a document. */
function mutateValue(root: Json, rng: Rng): string {
  let node: Record<string, unknown> = root;
  let path = "";
  for (;;) {
    const key = pick(rng, Object.keys(node));
    path += `/${key}`;
    const value = node[key];
    const isDeep = typeof value === "object" && value !== null && Object.keys(value).length > 0;
    if (isDeep && rng.integer(4) > 0) {
      node = value as Record<string, unknown>;
      continue;
    }
    const other = pick<unknown>(rng, [
      null,
      true,
      -1,
      1.5,
      1e300,
      2 ** 31,
      "",
      "x",
      "<s>",
      [],
      [[]],
      {},
      { type: "x" },
      undefined,
    ]);
    node[key] = other;
    return `${path} = ${JSON.stringify(other)}`;
  }
}

/** Damages a JSON document as text. */
function inText(files: CheckpointFiles, name: string, rng: Rng) {
  const text = new TextDecoder().decode(files[name]);
  const place = rng.integer(text.length);
  const end = place + 1 + rng.integer(20);
  const variants: [string, string][] = [
    ["cut", text.slice(0, place)],
    ["piece removed", text.slice(0, place) + text.slice(end)],
    ["piece doubled", text.slice(0, end) + text.slice(place)],
    ["character inserted", text.slice(0, place) + pick(rng, [..."{}[]\",:\\\n0-e\u0000\u2028"]) + text.slice(place)],
    ["not an object", pick(rng, ["null", "[]", "3", '"x"', "", " ", "NaN", "true", "\ufeff{}", "{}"])],
    ["deep", text.replace("{", `{"deep": ${'{"a":['.repeat(3000)}${"]}".repeat(3000)},`)],
    ["key doubled", text.replace(/\{\s*("[^"]+"):/, (all, key: string) => `${all} null, ${key}:`)],
    ["a value replaced", text.replace(/:\s*[^,{}[\]]+/g, (all) => (rng.integer(4) === 0 ? `: ${pick(rng, ["null", "NaN", "1e999", "[]", '"../x"', "-0"])}` : all))],
    ["members in odd order", JSON.stringify(Object.fromEntries(rng.shuffle(Object.entries(JSON.parse(text) as Json))))],
  ]; // prettier-ignore
  const [what, changed] = pick(rng, variants);
  return { what: `${name}: ${what}`, files: { ...files, [name]: new TextEncoder().encode(changed) } };
}

function pick<T>(rng: Rng, items: readonly T[]): T {
  return items[rng.integer(items.length)]!;
}
