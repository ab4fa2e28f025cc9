import { describe, expect, it } from "vitest";
import { describeMachine } from "./machine.js";

describe("describeMachine", () => {
  it.runIf(process.platform === "linux" && process.arch === "x64")(
    "tells generations of a processor apart",
    () => {
      expect(describeMachine().cpu).toMatch(/^.+, family \d+ model \d+$/);
    },
  );
});
