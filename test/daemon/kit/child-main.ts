/** The program that kit/child.ts starts: lvmlockd with the options given as JSON, without a command line's parsing. */
import { type DaemonOptions, DEFAULT_OPTIONS } from "../../../core/daemon/options.ts";
import { runDaemon } from "../../../core/daemon/run.ts";

const given = JSON.parse(process.argv[2] ?? "{}") as Partial<DaemonOptions>;
process.exit(await runDaemon({ ...DEFAULT_OPTIONS, ...given }));
