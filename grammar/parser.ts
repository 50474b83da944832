import { EmbeddedActionsParser, type IToken, type ParserMethod } from "chevrotain";
import { section_depth_max } from "./bounds.ts";
import { readFloat, readInteger } from "./numbers.ts";
import { describeSyntaxError } from "./parse-errors.ts";
import type { Problem } from "./problem.ts";
import { splitKeyPath, unescapeDoubleQuoted } from "./strings.ts";
import {
  type ArrayElement,
  type FileSyntax,
  type ItemSyntax,
  type KeySyntax,
  type Scalar,
  type SourceToken,
  tokenSpan,
  type ValueSyntax,
} from "./syntax.ts";
import * as tokens from "./tokens.ts";

/**
 * How integers are read. "prefix" is libdm up to 2.03.39: what strtoll can't use is ignored, so `08` is 0 and a lone sign
 * is 0. "exact" is libdm after that: such a value is refused.
 */
export type IntegerReading = "prefix" | "exact";

/** A parsed file, with warnings about what libdm accepts but nobody can have meant; or the first thing it refuses. */
export type ParseResult =
  | { readonly ok: true; readonly file: FileSyntax; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problem: Problem };

/** What a rule collects besides its result; set for each parse, because the parser itself is built once and reused. */
interface ParseState {
  readonly text: string;
  readonly integers: IntegerReading;
  readonly problems: Problem[];
}

class ConfigParser extends EmbeddedActionsParser {
  private state: ParseState = { text: "", integers: "exact", problems: [] };
  /** The name of the setting whose value is being read. */
  private key_name = "";

  constructor() {
    // One token decides every alternative of this grammar, so deeper lookahead would only cost start-up time.
    super(tokens.vocabulary, { maxLookahead: 1 });
    this.performSelfAnalysis();
  }

  read(input: IToken[], state: ParseState): ItemSyntax[] {
    this.state = state;
    this.input = input;
    return this.items();
  }

  private readonly items: ParserMethod<[], ItemSyntax[]> = this.RULE("items", (): ItemSyntax[] => {
    const items: ItemSyntax[] = [];
    this.MANY(() => items.push(this.SUBRULE(this.item)));
    return items;
  });

  private readonly item: ParserMethod<[], ItemSyntax> = this.RULE("item", (): ItemSyntax => {
    const key = this.SUBRULE(this.key);
    return this.OR([
      {
        ALT: (): ItemSyntax => {
          const open = sourceOf(this.CONSUME(tokens.OpenSection));
          const items = this.SUBRULE(this.items);
          const close = sourceOf(this.CONSUME(tokens.CloseSection));
          return { kind: "section", key, open, items, close };
        },
      },
      {
        ALT: (): ItemSyntax => {
          const equals = sourceOf(this.CONSUME(tokens.Equals));
          const value = this.SUBRULE(this.value);
          return { kind: "setting", key, equals, value };
        },
      },
    ]);
  });

  private readonly key: ParserMethod<[], KeySyntax> = this.RULE("key", (): KeySyntax => {
    const token = this.OR([
      { ALT: () => this.CONSUME(tokens.Identifier) },
      { ALT: () => this.CONSUME(tokens.DoubleQuoted) },
      { ALT: () => this.CONSUME(tokens.SingleQuoted) },
    ]);
    return this.ACTION(() => this.readKey(sourceOf(token)));
  });

  private readonly value: ParserMethod<[], ValueSyntax> = this.RULE(
    "value",
    (): ValueSyntax =>
      this.OR([
        { ALT: (): ValueSyntax => this.SUBRULE(this.array) },
        { ALT: (): ValueSyntax => ({ kind: "scalar", scalar: this.SUBRULE(this.scalar) }) },
      ]),
  );

  private readonly array: ParserMethod<[], ValueSyntax> = this.RULE("array", (): ValueSyntax => {
    const elements: ArrayElement[] = [];
    const open = sourceOf(this.CONSUME(tokens.OpenArray));
    this.MANY(() => {
      const scalar = this.SUBRULE(this.scalar);
      let comma: SourceToken | undefined;
      this.OPTION(() => {
        comma = sourceOf(this.CONSUME(tokens.Comma));
      });
      elements.push({ scalar, comma });
    });
    const close = sourceOf(this.CONSUME(tokens.CloseArray));
    return { kind: "array", open, elements, close };
  });

  private readonly scalar: ParserMethod<[], Scalar> = this.RULE("scalar", (): Scalar => {
    const token = this.OR([
      { ALT: () => this.CONSUME(tokens.Integer) },
      { ALT: () => this.CONSUME(tokens.Float) },
      { ALT: () => this.CONSUME(tokens.DoubleQuoted) },
      { ALT: () => this.CONSUME(tokens.SingleQuoted) },
      { ALT: () => this.CONSUME(tokens.Bare) },
    ]);
    return this.ACTION(() => this.readScalar(sourceOf(token)));
  });

  private readKey(token: SourceToken): KeySyntax {
    const name = this.readString(token);
    if (name === "") this.refuse(token, "a key can't be empty", "a name between the quotes");
    const path = splitKeyPath(name);
    this.key_name = path.at(-1) ?? "";
    return { token, path };
  }

  private readScalar(token: SourceToken): Scalar {
    if (token.kind === "integer") return { kind: "integer", value: this.readInteger(token), token };
    if (token.kind === "float") return { kind: "float", value: this.readFloat(token), token };
    return { kind: "string", value: this.readString(token), token };
  }

  private readInteger(token: SourceToken): bigint {
    const reading = readInteger(this.state.text, token.start);
    if (!reading.in_range) {
      // 32-bit builds before 2.02.169 wrote such times into VG metadata; libdm replaces them with this day.
      if (this.key_name === "creation_time") return 1527120000n;
      this.refuse(token, "the integer does not fit 64 bits", `an integer from -2^63 to 2^63-1`);
      return 0n;
    }
    const exact = reading.end === tokenSpan(token).end && reading.end > token.start;
    if (!exact) {
      const message = "this is not a number that LVM reads in full";
      const expected = "a decimal integer, or an octal one with a leading 0 and digits from 0 to 7";
      if (this.state.integers === "exact") this.refuse(token, message, expected);
      else
        this.warn(
          token,
          `${message}: lvm up to 2.03.39 takes ${reading.value}, newer ones refuse the file`,
          expected,
        );
    }
    return reading.value;
  }

  private readFloat(token: SourceToken): number {
    const reading = readFloat(this.state.text, token.start);
    if (!reading.in_range) this.refuse(token, "the number is too large or too small for a float");
    return reading.value;
  }

  private readString(token: SourceToken): string {
    if (token.kind === "bare" || token.kind === "identifier") return token.text;
    if (token.text.length < 2) {
      this.refuse(token, "the file ends right behind an opening quote", "a string");
      return "";
    }
    if (!isClosed(token)) {
      this.warn(
        token,
        "the string is never closed: lvm reads it to the end of the file and drops its last character",
      );
    }
    const body = token.text.slice(1, -1);
    return token.kind === "double-quoted" ? unescapeDoubleQuoted(body) : body;
  }

  private refuse(token: SourceToken, message: string, expected?: string): void {
    this.report("error", token, message, expected);
  }

  private warn(token: SourceToken, message: string, expected?: string): void {
    this.report("warning", token, message, expected);
  }

  private report(
    severity: Problem["severity"],
    token: SourceToken,
    message: string,
    expected?: string,
  ): void {
    const problem: Problem = { severity, ...tokenSpan(token), message };
    this.state.problems.push(expected === undefined ? problem : { ...problem, expected });
  }
}

/** While Chevrotain records the grammar it hands out tokens without a source; nothing looks at the result then. */
function sourceOf(token: IToken): SourceToken {
  return tokens.sourceToken(token);
}

function isClosed(token: SourceToken): boolean {
  const quote = token.text[0];
  if (token.text.at(-1) !== quote) return false;
  if (quote === "'") return true;
  const escapes = /(\\*)"$/.exec(token.text.slice(1))?.[1] ?? "";
  return escapes.length % 2 === 0;
}

let parser: ConfigParser | undefined;

/** Parses the text of a file (one character per byte, see text.ts) as libdm does; never throws on any input. */
export function parseConfig(text: string, options: { readonly integers: IntegerReading }): ParseResult {
  const lexed = tokens.lexConfig(text);
  const tooDeep = findTooDeepSection(lexed.tokens);
  if (tooDeep !== undefined) return { ok: false, problem: tooDeep };

  parser ??= new ConfigParser();
  const problems: Problem[] = [];
  const items = parser.read(lexed.tokens, { text, integers: options.integers, problems });
  const syntaxError = parser.errors[0];
  if (syntaxError !== undefined) problems.push(describeSyntaxError(syntaxError, lexed.tokens, text));
  else problems.push(...findTooDeepPaths(items));

  const errors = problems.filter((problem) => problem.severity === "error");
  // Only the first is reported: what follows an error is mostly its consequence, and libdm stops there as well.
  const first = errors.sort((left, right) => left.start - right.start)[0];
  if (first !== undefined) return { ok: false, problem: first };
  return { ok: true, file: { text, items, tail: lexed.tail }, warnings: problems };
}

function depthProblem(token: SourceToken): Problem {
  const message = `sections are nested deeper than ${section_depth_max} levels`;
  return { severity: "error", ...tokenSpan(token), message };
}

/** Looked for before parsing, so that the parser's own recursion is bounded. */
function findTooDeepSection(input: readonly IToken[]): Problem | undefined {
  let depth = 0;
  for (const token of input) {
    if (token.tokenType === tokens.OpenSection) depth++;
    else if (token.tokenType === tokens.CloseSection) depth--;
    if (depth > section_depth_max) return depthProblem(sourceOf(token));
  }
  return undefined;
}

/** Keys like a/b/c nest nodes without nesting braces; the tree's depth counts both. */
function findTooDeepPaths(items: readonly ItemSyntax[], depth = 0): Problem[] {
  const problems: Problem[] = [];
  for (const item of items) {
    const inner = depth + item.key.path.length;
    if (inner > section_depth_max) problems.push(depthProblem(item.key.token));
    else if (item.kind === "section") problems.push(...findTooDeepPaths(item.items, inner));
    if (problems.length > 0) return problems;
  }
  return problems;
}
