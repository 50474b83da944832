/** Compiled by the test beside it: asks the plugin of its argument in a worker, and prints the answer. */
import { createPluginHost } from "../../../plugins/host/host.ts";

const host = await createPluginHost({
  lock_managers: { dlm: process.argv[2] ?? "" },
  config_directory: "/",
  test_mode: false,
  io_timeout_s: 0,
  lvmlockctl_path: "",
  settings: {},
  log: (_level, text) => console.error(text),
  news: () => {},
});
const target = { kind: "manager", lock_type: "dlm", method: "isRunning" } as const;
const { promise, resolve } = Promise.withResolvers<unknown>();
const answer = host.ask({ kind: "ask", call_id: 1, target, args: {} }, (_call_id, late) => resolve(late));
console.log(JSON.stringify(answer ?? (await promise)));
await host.close();
