/** One request of a capture with the reply that the C daemon gave. */
export interface Exchange {
  /** Line of the request in the capture file, for messages. */
  readonly line: number;
  readonly request: string;
  readonly reply: string;
}

/** One client from its first request until it closed. */
export interface CapturedClient {
  /** The command line that was run. */
  readonly command: string;
  readonly exchanges: readonly Exchange[];
}

/** What one daemon served from its start until it quit. */
export type CapturedLife = readonly CapturedClient[];

const withNewlines = (text: string): string => text.replaceAll("\\n", "\n");
const HELLO = 'request = "hello"';
const QUIT = 'request = "quit"';

/**
 * Reads a capture: `##### command`, `-> request`, `<- reply` and `(client closes)` lines, with `\n` for newlines. A hello
 * begins a new client; a daemon that was told to quit and had nothing started is a new one from then on.
 */
export function readCapture(text: string): readonly CapturedLife[] {
  const lives: { command: string; exchanges: Exchange[] }[][] = [[]];
  let command = "";
  let request = { line: 0, text: "" };
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("##### ")) command = line.slice(6);
    else if (line.startsWith("-> ")) request = { line: index + 1, text: withNewlines(line.slice(3)) };
    else if (line.startsWith("<- ")) {
      const life = lives.at(-1) as { command: string; exchanges: Exchange[] }[];
      if (request.text.startsWith(HELLO)) life.push({ command, exchanges: [] });
      const reply = withNewlines(line.slice(3));
      life.at(-1)?.exchanges.push({ line: request.line, request: request.text, reply });
      if (request.text.startsWith(QUIT) && reply.includes("result = 0\n")) lives.push([]);
    }
  }
  return lives.filter((life) => life.length > 0);
}
