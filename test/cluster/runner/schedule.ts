/** Scenarios beside each other, as far as their guests fit. */

export interface Job<T> {
  readonly guests: number;
  readonly run: () => Promise<T>;
}

/** Runs the jobs in their order, each as soon as its guests fit; one that is too large for that runs alone. */
export async function runJobs<T>(jobs: readonly Job<T>[], guests_max: number): Promise<T[]> {
  const waiting = jobs.map((job, index) => ({ job, index }));
  const results: T[] = [];
  const running = new Set<Promise<void>>();
  let guests = 0;
  while (waiting.length > 0 || running.size > 0) {
    const fits = waiting.findIndex(({ job }) => guests === 0 || guests + job.guests <= guests_max);
    const [next] = fits >= 0 ? waiting.splice(fits, 1) : [];
    if (next === undefined) {
      await Promise.race(running);
      continue;
    }
    guests += next.job.guests;
    const done: Promise<void> = next.job.run().then((result) => {
      results[next.index] = result;
      guests -= next.job.guests;
      running.delete(done);
    });
    running.add(done);
  }
  return results;
}
