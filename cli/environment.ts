/**
 * The environment for programs that we start, without the variables with which Bun can be made to run other code (preloads,
 * the debugger, being the bun command itself). They can't be taken from our own process, since Bun has read them by then.
 */
export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(own).filter(([name]) => !/^(BUN_|NODE_OPTIONS$)/.test(name)));
}
