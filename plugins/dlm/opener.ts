import type { Opener, OpenerCall, OpenerResult } from "./client.ts";
import { ERRNO } from "./flags.ts";

/** In a compiled executable the worker lies under its path from the project's root, see the build script. */
const WORKER_URL = import.meta.url.startsWith("file:///$bunfs/")
  ? "file:///$bunfs/root/plugins/dlm/opener-worker.js"
  : new URL("./opener-worker.ts", import.meta.url).href;

/**
 * Makes each call that waits for the cluster in a thread of its own, so that the worker of the lockspace can tell people what it
 * waits for, and can give up waiting. The thread itself is never ended while its call runs: the call would go on.
 */
export const openInThread: Opener = (call: OpenerCall) => {
  const { promise, resolve } = Promise.withResolvers<OpenerResult>();
  const worker = new Worker(WORKER_URL, { smol: true });
  const finish = (result: OpenerResult): void => {
    resolve(result);
    worker.terminate();
  };
  worker.onmessage = (event: MessageEvent<OpenerResult>): void => finish(event.data);
  worker.onerror = (): void => finish({ handle: 0, errno: ERRNO.EINVAL });
  worker.postMessage(call);
  return promise;
};
