import { definePlugin } from "@sdmprune/core";
import { defineTask } from "@sdmprune/evaluation";
import { z } from "zod";

/** Which city is a country's capital. A row: `{ "country": "Peru", "cities": ["Cusco", "Lima"], "capital": "Lima" }`. */
const capitals = defineTask({
  task: "capitals",
  datasetPath: "my-org/capitals",
  testSplit: "test",
  outputType: "multiple_choice",
  docToText: "The capital of {{country}} is",
  docToChoice: "cities",
  docToTarget: (doc) => (doc["cities"] as string[]).indexOf(doc["capital"] as string),
  metricList: [
    { metric: "acc", aggregation: "mean", higherIsBetter: true },
    { metric: "acc_norm", aggregation: "mean", higherIsBetter: true },
  ],
  columns: z.looseObject({ country: z.string(), cities: z.array(z.string()), capital: z.string() }),
  metadata: { version: 1 },
});

export default definePlugin({
  name: "capitals",
  register({ tasks }) {
    tasks.register("capitals", () => capitals, { description: "Which city is a country's capital." });
  },
});
