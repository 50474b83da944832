/**
 * What must be undone when this process ends, whichever way: a guest that goes on after its test would keep the machine busy.
 * A SIGKILL of this process is the one end that nothing here sees; there the kernel ends the guests (see qemu.ts), and the next
 * run sweeps what they left (see scratch.ts).
 */

const undos = new Set<() => void>();
let watching = false;

function undoAll(): void {
  // The newest first: guests before the directory that their sockets are in.
  for (const undo of [...undos].reverse()) {
    undos.delete(undo);
    try {
      undo();
    } catch (error) {
      console.error(error);
    }
  }
}

function endBySignal(signal: NodeJS.Signals): void {
  undoAll();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function endByError(error: unknown): void {
  console.error(error);
  process.exit(1);
}

function watch(): void {
  if (watching) return;
  watching = true;
  process.on("exit", undoAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, endBySignal);
  process.on("uncaughtException", endByError);
  process.on("unhandledRejection", endByError);
}

/** Has the action done when the process ends. The function that comes back does it at once, and only once. */
export function atEnd(action: () => void): () => void {
  watch();
  undos.add(action);
  return () => {
    if (undos.delete(action)) action();
  };
}
