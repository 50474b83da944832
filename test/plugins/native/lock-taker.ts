/** Run by the lock test as another process: tries to lock the file of its argument and prints the answer. */
import { openSync } from "node:fs";
import { lockFile } from "../../../plugins/native/file-lock.ts";

console.log(JSON.stringify(lockFile(openSync(process.argv[2] ?? "", "r+"))));
