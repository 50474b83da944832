/**
 * The largest configuration file that is read, in bytes: four times what `lvmconfig --type full --withcomments` writes,
 * the largest file that lvm itself makes. Tokens and tree of a file with a setting every 4 bytes, the worst case, were
 * measured at 400 bytes per byte, so this bound keeps a hostile file near 200 MB for a moment; lvm.conf takes 2 MB.
 */
export const config_file_bytes_max = 512 * 1024;

/**
 * The deepest nesting of sections, `a/b` path segments included. lvm.conf needs 3 and VG metadata 5. libdm has no bound
 * and overflows its stack; here a deeper file is refused, because parser and tree recurse once per level.
 */
export const section_depth_max = 64;

/** The most tag files (lvm_<tag>.conf) that are read; each may define further tags, so the list could grow without end. */
export const tag_files_max = 256;

/** The most diagnostics kept for one file: a person reads the first few, and a hostile file could make one per byte. */
export const file_diagnostics_max = 100;

/** The longest piece of a line shown in a diagnostic, in characters; a longer line is cut around the caret. */
export const shown_line_chars_max = 160;
