/** First in, first out, without moving what is left when one is taken. */
export interface CallQueue<Call> {
  readonly length: number;
  push(call: Call): void;
  /** The oldest, taken out; undefined when it is empty. */
  take(): Call | undefined;
}

/** Taken entries that stay in front before the array is cut: cutting at each take would copy the rest each time. */
const TAKEN_MAX = 1024;

/** Makes an empty queue. The caller bounds its length. */
export function createCallQueue<Call>(): CallQueue<Call> {
  let calls: (Call | undefined)[] = [];
  let taken = 0;
  return {
    get length() {
      return calls.length - taken;
    },
    push(call) {
      calls.push(call);
    },
    take() {
      if (taken === calls.length) return undefined;
      const call = calls[taken];
      calls[taken] = undefined;
      taken += 1;
      if (taken === calls.length) {
        calls = [];
        taken = 0;
      } else if (taken >= TAKEN_MAX && taken * 2 >= calls.length) {
        calls = calls.slice(taken);
        taken = 0;
      }
      return call;
    },
  };
}
