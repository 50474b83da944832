import { dlopen, type FFIFunction } from "bun:ffi";
import { existsSync } from "node:fs";

/** Symbols by name with their C types, as bun:ffi's dlopen takes them. */
export type SymbolTable = Readonly<Record<string, FFIFunction>>;

/** An open library, or why there is none. A library that is not installed is an ordinary answer, not an exception. */
export type LibraryAnswer<Symbols extends SymbolTable> =
  | { readonly kind: "opened"; readonly path: string; readonly symbols: CallableSymbols<Symbols> }
  | { readonly kind: "missing"; readonly detail: string };

/** The callable functions of a symbol table. */
export type CallableSymbols<Symbols extends SymbolTable> = ReturnType<typeof dlopen<Symbols>>["symbols"];

/** The Debian name of this machine's architecture in library paths; other distributions use lib64 or lib. */
const multiarch: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/**
 * Where libraries are looked for, in this order. dlopen with a bare name falls back to the current directory when the
 * dynamic linker does not know the name (reproduced with Bun 1.4.5), which would let a directory run code as root; so
 * only absolute paths made from this list are ever opened.
 */
export const LIBRARY_DIRECTORIES: readonly string[] = [
  ...[multiarch[process.arch]].flatMap((triplet) =>
    triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`],
  ),
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
  "/usr/local/lib64",
  "/usr/local/lib",
];

/** The absolute path of a library such as "libsanlock.so.1", or null when no directory of the list has it. */
export function findLibrary(file_name: string, directories = LIBRARY_DIRECTORIES): string | null {
  if (file_name === "" || file_name.includes("/"))
    throw new TypeError(`not a library's file name: ${file_name}`);
  for (const directory of directories) {
    const path = `${directory}/${file_name}`;
    if (existsSync(path)) return path;
  }
  return null;
}

/**
 * Opens a library with all of `symbols`. One symbol that the library does not have fails the whole dlopen, so only those
 * go here that every supported version has; newer ones are probed with `probeSymbols`.
 */
export function openLibrary<Symbols extends SymbolTable>(
  file_name: string,
  symbols: Symbols,
  directories = LIBRARY_DIRECTORIES,
): LibraryAnswer<Symbols> {
  const path = findLibrary(file_name, directories);
  if (path === null)
    return { kind: "missing", detail: `${file_name} is not installed (looked in ${directories.join(", ")})` };
  return openPath(path, symbols);
}

/** Which of `symbols` the library at `path` has, each probed with a dlopen of its own (some 15 us once it is loaded). */
export function probeSymbols<Symbols extends SymbolTable>(
  path: string,
  symbols: Symbols,
): Partial<CallableSymbols<Symbols>> {
  const found: Partial<CallableSymbols<Symbols>> = {};
  for (const name of Object.keys(symbols) as (keyof Symbols & string)[]) {
    const one = { [name]: symbols[name] } as Pick<Symbols, typeof name>;
    const library = openPath(path, one as unknown as Symbols);
    if (library.kind === "opened") found[name] = library.symbols[name];
  }
  return found;
}

function openPath<Symbols extends SymbolTable>(path: string, symbols: Symbols): LibraryAnswer<Symbols> {
  if (!path.startsWith("/")) throw new TypeError(`a library is opened by its absolute path, not ${path}`);
  try {
    return { kind: "opened", path, symbols: dlopen(path, symbols).symbols };
  } catch (error) {
    // ERR_DLOPEN_FAILED for a file that does not load, a TypeError for a symbol that it does not have.
    return { kind: "missing", detail: error instanceof Error ? error.message : String(error) };
  }
}
