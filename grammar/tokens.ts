import { type CustomPatternMatcherFunc, createToken, type IToken, Lexer, type TokenType } from "chevrotain";
import type { SourceToken, TokenKind } from "./syntax.ts";

// libdm's tokenizer depends on what came before: only behind '=', '[' and ',' may a value begin; anywhere else digits
// and bare words are keys. Chevrotain hands custom patterns the tokens before, which is all that is needed.

// isspace() of the C locale. JavaScript's \s would also take the byte 0xA0, which is half of many UTF-8 characters.
const blank = "\\t-\\r ";
const wordRest = `[^${blank}#={}]*`;

const latin1 = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
const numberStarts = [..."0123456789+-."];
const wordStarts = latin1.filter((character) => !/[\t-\r #={}[\],"']/.test(character));

function punctuation(name: string, character: string): TokenType {
  return createToken({ name, pattern: character });
}

export const Equals = punctuation("Equals", "=");
export const Comma = punctuation("Comma", ",");
export const OpenSection = punctuation("OpenSection", "{");
export const CloseSection = punctuation("CloseSection", "}");
export const OpenArray = punctuation("OpenArray", "[");
export const CloseArray = punctuation("CloseArray", "]");

function valueMayBegin(tokens: readonly IToken[]): boolean {
  const previous = tokens.at(-1)?.tokenType;
  return previous === Equals || previous === Comma || previous === OpenArray;
}

function wherePattern(source: string, wanted: "value" | "key"): CustomPatternMatcherFunc {
  const pattern = new RegExp(source, "y");
  return (text, offset, tokens) => {
    if (valueMayBegin(tokens) !== (wanted === "value")) return null;
    pattern.lastIndex = offset;
    return pattern.exec(text);
  };
}

/** Scans by hand: a pattern with a repeated group would need a stack as deep as the string is long. */
const doubleQuoted: CustomPatternMatcherFunc = (text, offset) => {
  if (text[offset] !== '"') return null;
  let end = offset + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  // A string that the end of the file cuts off is a token all the same; libdm reads it without its last character.
  return [text.slice(offset, Math.min(end + 1, text.length))];
};

const singleQuoted: CustomPatternMatcherFunc = (text, offset) => {
  if (text[offset] !== "'") return null;
  const close = text.indexOf("'", offset + 1);
  return [text.slice(offset, close === -1 ? text.length : close + 1)];
};

function custom(name: string, pattern: CustomPatternMatcherFunc, start_chars_hint: string[]): TokenType {
  return createToken({ name, pattern: { exec: pattern }, start_chars_hint, line_breaks: true });
}

export const Float = custom("Float", wherePattern("[0-9+-][0-9]*\\.[0-9]*|\\.[0-9]*", "value"), numberStarts);
export const Integer = custom("Integer", wherePattern("[0-9+-][0-9]*", "value"), numberStarts);
export const DoubleQuoted = custom("DoubleQuoted", doubleQuoted, ['"']);
export const SingleQuoted = custom("SingleQuoted", singleQuoted, ["'"]);
export const Bare = custom("Bare", wherePattern(`[^${blank}#={}[\\],"']${wordRest}`, "value"), wordStarts);
export const Identifier = custom(
  "Identifier",
  wherePattern(`[^${blank}#={}[\\],"']${wordRest}`, "key"),
  wordStarts,
);

// What is skipped comes back as the text between two tokens: see attachSource.
const Blanks = createToken({ name: "Blanks", pattern: /[\t-\r ]+/, group: Lexer.SKIPPED, line_breaks: true });
const Comment = createToken({ name: "Comment", pattern: /#[^\n]*/, group: Lexer.SKIPPED });

/** Every token type, in the order in which they are tried. */
export const vocabulary: TokenType[] = [
  Blanks,
  Comment,
  Equals,
  Comma,
  OpenSection,
  CloseSection,
  OpenArray,
  CloseArray,
  DoubleQuoted,
  SingleQuoted,
  Float,
  Integer,
  Bare,
  Identifier,
];

const kinds = new Map<TokenType, TokenKind>([
  [Equals, "equals"],
  [Comma, "comma"],
  [OpenSection, "open-section"],
  [CloseSection, "close-section"],
  [OpenArray, "open-array"],
  [CloseArray, "close-array"],
  [DoubleQuoted, "double-quoted"],
  [SingleQuoted, "single-quoted"],
  [Float, "float"],
  [Integer, "integer"],
  [Bare, "bare"],
  [Identifier, "identifier"],
]);

let lexer: Lexer | undefined;

/** Chevrotain's tokens, each carrying its SourceToken (read it with sourceToken), and the text behind the last one. */
export interface LexedText {
  readonly tokens: IToken[];
  readonly tail: string;
}

/** Splits a file into tokens. Every byte sequence has tokens: only the parser refuses. */
export function lexConfig(text: string): LexedText {
  lexer ??= new Lexer(vocabulary, { ensureOptimizations: true, positionTracking: "onlyOffset" });
  // For libdm a NUL byte ends the file, wherever it stands; what follows is kept as it is and never read.
  const nul = text.indexOf("\0");
  const result = lexer.tokenize(nul === -1 ? text : text.slice(0, nul));
  if (result.errors.length > 0)
    throw new Error(`the lexer has no token for offset ${result.errors[0]?.offset}`);
  return { tokens: result.tokens, tail: text.slice(attachSource(text, result.tokens)) };
}

/** Gives every token the blanks and comments before it; returns where the last token ends. */
function attachSource(text: string, tokens: readonly IToken[]): number {
  let end = 0;
  for (const token of tokens) {
    const kind = kinds.get(token.tokenType);
    if (kind === undefined) throw new Error(`token type ${token.tokenType.name} has no kind`);
    const start = token.startOffset;
    const source: SourceToken = { kind, before: text.slice(end, start), text: token.image, start };
    token.payload = source;
    end = start + token.image.length;
  }
  return end;
}

/** The SourceToken that lexConfig attached. */
export function sourceToken(token: IToken): SourceToken {
  return token.payload as SourceToken;
}
