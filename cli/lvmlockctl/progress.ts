/** A line on the terminal while something takes long; nothing at all when standard error is not a terminal. */
const first_shown_after_ms = 2000;
const shown_every_ms = 1000;

export interface Progress {
  /** Takes the line away again. */
  end(): void;
}

/** Shows after two seconds what is being done and for how long, in one line that is written over and over. */
export function showProgress(doing: string): Progress {
  if (!process.stderr.isTTY) return { end() {} };
  const began_ms = performance.now();
  let isShown = false;
  const show = (): void => {
    const elapsed_ms = performance.now() - began_ms;
    if (elapsed_ms < first_shown_after_ms) return;
    isShown = true;
    process.stderr.write(`\r${doing}, for ${Math.round(elapsed_ms / 1000)} s (Ctrl-C stops waiting) `);
  };
  const timer = setInterval(show, shown_every_ms);
  return {
    end() {
      clearInterval(timer);
      // Erase the whole line: what follows may be shorter.
      if (isShown) process.stderr.write("\r\u001b[2K");
    },
  };
}
