/**
 * The entry point of a worker that has some of a run's devices open. A native call blocks its thread, so devices that are to
 * answer at the same time need a thread each. `bun build --compile` has to be given this file as an entry point of its own.
 */
import { openReservable } from "../open-device.ts";
import type { FromDeviceWorker, ToDeviceWorker } from "./messages.ts";
import { deviceShelf } from "./team.ts";
import { tracedDevice } from "./trace.ts";

const post = (message: FromDeviceWorker): void => postMessage(message);
let traces = false;

const shelf = deviceShelf((path) => {
  const opened = openReservable(path);
  if (opened.kind !== "done" || !traces) return opened;
  return { kind: "done", device: tracedDevice(opened.device, (text) => post({ kind: "trace", text })) };
});

addEventListener("message", (event: MessageEvent<ToDeviceWorker>) => {
  const message = event.data;
  if (message.kind === "close") {
    shelf.close();
    post({ kind: "closed" });
    return;
  }
  traces = message.trace;
  try {
    post({ kind: "answer", answer: shelf.run(message.path, message.job) });
  } catch (error) {
    // A worker that dies takes its open devices with it; a sentence is worth more.
    const detail = `${message.path}: ${error instanceof Error ? error.message : String(error)}`;
    post({ kind: "answer", answer: { kind: "lost", detail } });
  }
});
