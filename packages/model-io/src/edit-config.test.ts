import { describe, expect, it } from "vitest";
import { editConfig } from "./edit-config.js";

describe("editConfig", () => {
  const text = `{
  "architectures": [
    "LlamaForCausalLM"
  ],
  "intermediate_size": 172,
  "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
  "rms_norm_eps": 1e-05,
  "quantization_config": {"bits": [4, "}"]},
  "name \\"quoted\\"": "a { b",
  "unknown_key": null
}
`;

  it("changes the given keys and no other character", () => {
    expect(editConfig(text, { intermediate_size: 128 })).toBe(text.replace("172", "128"));
    expect(editConfig(text, {})).toBe(text);
    expect(editConfig(text, { architectures: ["A"] })).toBe(text.replace("LlamaForCausalLM", "A"));
  });

  it("removes keys wherever they stand", () => {
    expect(editConfig(text, { quantization_config: undefined })).toBe(text.replace(/  "quant.*\n/, ""));
    expect(JSON.parse(editConfig(text, { architectures: undefined }))).not.toHaveProperty("architectures");
    expect(editConfig(text, { unknown_key: undefined })).toBe(text.replace(',\n  "unknown_key": null', ""));
    expect(editConfig('{"a": 1}', { a: undefined })).toBe("{}");
  });

  it("adds new keys at the end, in the file's indentation", () => {
    expect(editConfig(text, { head_dim: 8 })).toBe(
      text.replace('"unknown_key": null', '"unknown_key": null,\n  "head_dim": 8'),
    );
    expect(editConfig('{"a":1}', { b: [1] })).toBe('{"a":1,"b": [\n    1\n  ]}');
    expect(editConfig("{}", { b: 2 })).toBe('{\n  "b": 2\n}');
  });

  it("refuses what is not a JSON object with unique keys", () => {
    expect(() => editConfig("[1]", {})).toThrow("config.json: expected a JSON object, got a list.");
    expect(() => editConfig('{"a":1,"a":2}', {})).toThrow(
      'config.json: expected every key once, got "a" twice.',
    );
  });
});
