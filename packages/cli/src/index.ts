export { createHost } from "./create-host.js";
export { loadConfigFile } from "./load-config.js";
export { loadPlugin } from "./load-plugin.js";
export { main } from "./main.js";
