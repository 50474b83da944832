/** What a token is, as libdm tells them apart. */
export type TokenKind =
  | "identifier"
  | "integer"
  | "float"
  | "bare"
  | "double-quoted"
  | "single-quoted"
  | "equals"
  | "comma"
  | "open-section"
  | "close-section"
  | "open-array"
  | "close-array";

/**
 * One token with the blanks and comments before it, so that the tokens of a file, in order, are the whole file.
 * `start` is the byte offset of `text`.
 */
export interface SourceToken {
  readonly kind: TokenKind;
  readonly before: string;
  readonly text: string;
  readonly start: number;
}

/** A single value as libdm holds it. Strings hold one character per byte (see text.ts). */
export type Scalar =
  | { readonly kind: "integer"; readonly value: bigint; readonly token: SourceToken }
  | { readonly kind: "float"; readonly value: number; readonly token: SourceToken }
  | { readonly kind: "string"; readonly value: string; readonly token: SourceToken };

/** What stands behind the equals sign. libdm does not tell `x` from `[ x ]`; only the syntax does. */
export type ValueSyntax =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | {
      readonly kind: "array";
      readonly open: SourceToken;
      readonly elements: readonly ArrayElement[];
      readonly close: SourceToken;
    };

/** One element of an array with the comma behind it, if there is one. */
export interface ArrayElement {
  readonly scalar: Scalar;
  readonly comma: SourceToken | undefined;
}

/** A key as written and the node names it stands for. */
export interface KeySyntax {
  readonly token: SourceToken;
  readonly path: readonly string[];
}

/** `key = value` */
export interface SettingSyntax {
  readonly kind: "setting";
  readonly key: KeySyntax;
  readonly equals: SourceToken;
  readonly value: ValueSyntax;
}

/** `key { ... }` */
export interface SectionSyntax {
  readonly kind: "section";
  readonly key: KeySyntax;
  readonly open: SourceToken;
  readonly items: readonly ItemSyntax[];
  readonly close: SourceToken;
}

export type ItemSyntax = SettingSyntax | SectionSyntax;

/** A whole file: its items and what follows the last token (blanks, comments, and everything behind a NUL byte). */
export interface FileSyntax {
  readonly text: string;
  readonly items: readonly ItemSyntax[];
  readonly tail: string;
}

/** A stretch of the file in byte offsets, end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The stretch of one token. */
export function tokenSpan(token: SourceToken): Span {
  return { start: token.start, end: token.start + token.text.length };
}

/** The stretch of a value, brackets included. */
export function valueSpan(value: ValueSyntax): Span {
  if (value.kind === "scalar") return tokenSpan(value.scalar.token);
  return { start: value.open.start, end: tokenSpan(value.close).end };
}

/** The stretch of a whole setting, from its key to the end of its value. */
export function settingSpan(setting: SettingSyntax): Span {
  return { start: setting.key.token.start, end: valueSpan(setting.value).end };
}
