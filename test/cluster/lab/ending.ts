/**
 * The end of a cluster for whoever works with it. A scenario that has failed or is late may still wait for hosts somewhere; when they
 * are taken away, it must neither go on with others, nor fail a second time in the middle of another scenario's output.
 */

export interface Ending {
  over(): boolean;
  /** From now on nothing that goes through `hold` begins or settles. */
  end(): void;
  /** Does the work and hands on what comes of it; after the end, whoever waits for it waits for ever and is forgotten. */
  hold<T>(work: () => Promise<T>): Promise<T>;
}

/** Never settles; the collector takes it with all that waits for it. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

export function openEnding(): Ending {
  let isOver = false;
  return {
    over: () => isOver,
    end: () => {
      isOver = true;
    },
    hold: async (work) => {
      if (isOver) return never();
      try {
        const result = await work();
        return isOver ? await never() : result;
      } catch (error) {
        if (isOver) return never();
        throw error;
      }
    },
  };
}
