/**
 * The bare loop of this Bun: a unix socket server that answers every request with the same bytes. It parses nothing and
 * locks nothing, so no daemon on this runtime can be much faster; the benchmarks show how near ours is to it.
 * Run as `bun run bench/floor.ts SOCKET`.
 */

/** What a granted lock is answered with; the load generator takes it for a hello's reply too. */
const REPLY = Buffer.from(
  'response = "OK"\nop = 7\nlock_type = "dlm"\nop_result = 0\nlm_result = 0\nresult_flags = "none"\nls_generation = 0\n\n##\n',
);

const NEWLINE = 0x0a;
const HASH = 0x23;

/** libdaemon writes the terminator by itself, so most requests come as two segments of which the second ends like this. */
function endsRequest(bytes: Uint8Array): boolean {
  const end = bytes.length;
  return (
    end >= 4 &&
    bytes[end - 1] === NEWLINE &&
    bytes[end - 2] === HASH &&
    bytes[end - 3] === HASH &&
    bytes[end - 4] === NEWLINE
  );
}

const [socketPath] = process.argv.slice(2);
if (socketPath === undefined) {
  console.error("usage: bun run bench/floor.ts SOCKET");
  process.exit(2);
}

Bun.listen({
  unix: socketPath,
  socket: {
    data(socket, bytes) {
      if (endsRequest(bytes)) socket.write(REPLY);
    },
    error(_socket, error) {
      console.error(error.message);
    },
  },
});
