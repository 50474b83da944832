/** Captured replies that ours is meant not to give, all for one reason. */
export interface MeantOtherwise {
  readonly reason: string;
  /** Lines of the requests, by capture file. */
  readonly where: Readonly<Record<string, readonly number[]>>;
  /** What the captured reply says and what ours says instead. */
  readonly captured: string;
  readonly ours: string;
}

export const MEANT_OTHERWISE: readonly MeantOtherwise[] = [
  {
    reason:
      "Q34: stopped lockspaces stay on the C daemon's list for up to 2 s; with us they are gone when the stop is answered",
    where: { "lvm-2.03.16-dlm.txt": [135], "lvm-2.03.40-dlm.txt": [269, 727] },
    captured: 'result_flags = "none"',
    ours: 'result_flags = "NO_LOCKSPACES,"',
  },
  {
    reason:
      "the C daemon's test mode sleeps while a sanlock lockspace starts, ours has started it by then (issue: without its sleeps)",
    where: { "lvm-2.03.40-sanlock.txt": [18, 318] },
    captured: "op_result = -211",
    ours: "op_result = -2",
  },
  {
    reason: "the same: the lock of the VG that is started already is granted and released",
    where: { "lvm-2.03.40-sanlock.txt": [188, 192] },
    captured: "op_result = -211",
    ours: "op_result = 0",
  },
  {
    reason: "the same: the VG is not starting any more, it is started",
    where: { "lvm-2.03.40-sanlock.txt": [190] },
    captured: "op_result = -211",
    ours: "op_result = -17",
  },
  {
    reason: "Q34, and without lockspaces the type of the global lock is open again",
    where: { "lvm-2.03.40-sanlock.txt": [270, 277, 279] },
    captured: '"NO_GL_LS,"',
    ours: '"NO_LOCKSPACES,NO_GL_LS,NO_LM"',
  },
  {
    reason: "Q34: the lockspace that was stopped does not keep the daemon from quitting",
    where: { "lvm-2.03.40-sanlock.txt": [443] },
    captured: "result = -16",
    ours: "result = 0",
  },
  {
    reason: "Q34 again, and without lockspaces the type of the global lock is open again",
    where: { "lvm-2.03.40-sanlock.txt": [436] },
    captured: '"NO_GL_LS,"',
    ours: '"NO_LOCKSPACES,NO_GL_LS,NO_LM"',
  },
  {
    reason:
      "the C daemon forgets the lock type that the very request named while its worker looks for lockspaces",
    where: { "lvm-2.03.40-sanlock.txt": [312] },
    captured: "NO_GL_LS,NO_LM",
    ours: "NO_GL_LS,",
  },
];

/** The reply that is expected of ours instead of the captured one. */
export function meantReply(file: string, line: number, captured: string): string {
  const entry = MEANT_OTHERWISE.find(({ where }) => where[file]?.includes(line));
  return entry === undefined ? captured : captured.replace(entry.captured, entry.ours);
}
