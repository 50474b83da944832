/**
 * Names the visible VGs without asking lvmlockd, which may be what the user is about to repair: --nolocking takes no lock,
 * --readonly writes nothing. Only the letters of VG names come through, because compgen expands what it is given.
 */
export const VG_NAMES_COMMAND =
  "vgs --noheadings --nolocking --readonly -o vg_name 2>/dev/null | tr -cd 'A-Za-z0-9+_.\\n-'";

/** A word in single quotes for bash and zsh, with the quotes inside it taken care of. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
