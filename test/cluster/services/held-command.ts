/** Commands of lvm on several hosts that are held at the same line of their debug output, so that all go on from there at once. */
import type { Result } from "../lab/agent.ts";
import type { Host } from "../lab/host.ts";

export interface HeldCommand {
  readonly host: Host;
  /** The command's words; none has a blank in it. */
  readonly command: string;
  /** How long this one is held when all have come so far. */
  readonly later_ms?: number;
}

const DIRECTORY = "/run/held";
const held_ms_max = 120_000;
const command_ms_max = 300_000;

/** lvm writes its debug output into a pipe, line by line; the command is stopped when the line is read. */
const SCRIPT = `use strict; use warnings; use Fcntl; use POSIX qw(mkfifo WNOHANG);
my ($line, $later, @command) = @ARGV;
mkfifo("${DIRECTORY}/log", 0600) or die "mkfifo: $!";
sysopen(my $log, "${DIRECTORY}/log", O_RDWR | O_NONBLOCK) or die "open: $!";
my $pid = fork // die "fork: $!";
exec @command or die "exec: $!" unless $pid;
sub touch { open(my $file, ">", "${DIRECTORY}/$_[0]") or die "touch: $!" }
my ($text, $held) = ("", 0);
while (waitpid($pid, WNOHANG) == 0) {
  my $ready = "";
  vec($ready, fileno($log), 1) = 1;
  next unless select($ready, undef, undef, 0.05);
  sysread($log, $text, 65536, length $text);
  if (!$held && index($text, $line) >= 0) {
    kill STOP => $pid;
    $held = 1;
    touch("here");
    select(undef, undef, undef, 0.005) until -e "${DIRECTORY}/go";
    select(undef, undef, undef, $later);
    kill CONT => $pid;
  }
  $text = substr($text, -1024) if length $text > 1024;
}
my $status = $?;
touch("here");
exit($status >> 8);
`;

/** Runs them; the results are in the same order. One that ends before it comes to the line holds nobody up. */
export async function runHeldAt(line: string, commands: readonly HeldCommand[]): Promise<Result[]> {
  const prepare = async ({ host }: HeldCommand): Promise<void> => {
    await host.must(`rm -rf ${DIRECTORY}; mkdir ${DIRECTORY}`);
    await host.write(`${DIRECTORY}/hold`, SCRIPT);
  };
  await Promise.all(commands.map(prepare));
  const running = commands.map(({ host, command, later_ms = 0 }) => {
    const logging = `log{file=\\"${DIRECTORY}/log\\" level=7}`;
    return host.run(`perl ${DIRECTORY}/hold '${line}' ${later_ms / 1000} ${command} --config "${logging}"`, {
      timeout_ms: command_ms_max,
    });
  });
  await Promise.all(
    commands.map(({ host }) => host.until(`test -e ${DIRECTORY}/here`, { timeout_ms: held_ms_max })),
  );
  await Promise.all(commands.map(({ host }) => host.must(`touch ${DIRECTORY}/go`)));
  return Promise.all(running);
}
