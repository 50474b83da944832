/** How a scenario fails where that matters: a wrong grant is never a busy machine's doing, a time that was missed may be. */

/** What had to be refused was done. */
export class NotRefused extends Error {}

/** Something took longer than it may, or there was too little of it in the time: nothing that was found is wrong. */
export class Late extends Error {}

/** A condition that a machine which is too busy may miss. */
export function inTime(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Late(message);
}
