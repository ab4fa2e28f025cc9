// `sdmprune` as it is published: the compiled program. packages/cli/bin would take the source in a checkout.
const { main } = await import("../../packages/cli/dist/main.js");
process.exitCode = await main(process.argv.slice(2));
