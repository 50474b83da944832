/** The faults that the lab makes are what it says they are: other scenarios stand on that. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";

const PINGS = 30;
const delay_ms = 100;
/** softdog's time on these hosts, and a hang that outlasts it. */
const watchdog_s = 8;
const hang_ms = 10_000;
const reset_ms_max = 30_000;

interface Pings {
  readonly received: number;
  readonly fastest_ms: number;
}

async function ping(from: Host, to: Host, options: string): Promise<Pings> {
  const { stdout } = await from.run(`ping -q ${options} ${to.address}`);
  const received = /(\d+) received/.exec(stdout)?.[1];
  assert(received !== undefined, `ping says: ${stdout}`);
  return { received: Number(received), fastest_ms: Number(/= ([\d.]+)\//.exec(stdout)?.[1] ?? Number.NaN) };
}

/** Echo requests that the host's kernel has seen, answered or not. */
async function echoesSeen(host: Host): Promise<number> {
  const { stdout } = await host.must("nstat -asz IcmpInEchos | awk '/IcmpInEchos/ { print $2 }'");
  return Number(stdout);
}

/** A watchdog and something that pets it all the time, as wdmd does. */
async function startWatchdog(host: Host): Promise<void> {
  await host.must(`modprobe softdog soft_margin=${watchdog_s}`);
  await host.must("(exec 3>/dev/watchdog; while echo >&3; do sleep 0.2; done) >/dev/null 2>&1 </dev/null &");
}

async function uptime_ms(host: Host): Promise<number> {
  return Number((await host.must("cut -d' ' -f1 /proc/uptime")).stdout) * 1000;
}

export default scenario(
  "lab-faults",
  { about: "Loss, delay, a blocked direction, a hang and a freeze are what the lab says.", guests: 2 },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2 });
    const [a, b] = [lab.host(1), lab.host(2)];
    await step("a delayed network answers later by the delay of both ways", async () => {
      lab.network.delay(delay_ms);
      const delayed = await ping(a, b, "-c 3 -i 0.3");
      lab.network.heal();
      const healed = await ping(a, b, "-c 3 -i 0.3");
      say(`an answer takes ${delayed.fastest_ms} ms with the delay, ${healed.fastest_ms} ms without`);
      assert.equal(delayed.received, 3);
      assert(delayed.fastest_ms >= 2 * delay_ms, "faster than the delay");
      assert(healed.fastest_ms < delayed.fastest_ms, "the delay has no end");
    });
    await step("a network that loses frames loses some of them, and all of them at 1", async () => {
      lab.network.lose(0.3);
      const some = await ping(a, b, `-c ${PINGS} -i 0.05 -W 1`);
      lab.network.lose(1);
      const none = await ping(a, b, "-c 3 -i 0.05 -W 1");
      lab.network.heal();
      say(`with a loss of 0.3 each way, ${some.received} of ${PINGS} are answered`);
      assert(some.received > 0 && some.received < PINGS, "nothing was lost, or all");
      assert.equal(none.received, 0);
    });
    await step("a blocked direction drops the answers and lets the questions through", async () => {
      const before = await echoesSeen(a);
      lab.network.block(a, b);
      const blocked = await ping(b, a, "-c 5 -i 0.05 -W 1");
      lab.network.heal(a);
      assert.equal(blocked.received, 0);
      assert.equal((await echoesSeen(a)) - before, 5);
      assert.equal((await ping(b, a, "-c 3 -i 0.05 -W 5")).received, 3);
    });
    await step("a host that hangs past its watchdog's time is reset when it comes back", async () => {
      await Promise.all(lab.hosts.map(startWatchdog));
      const before_ms = await uptime_ms(b);
      const since_ms = performance.now();
      a.hang();
      await b.freeze();
      await Bun.sleep(hang_ms);
      await Promise.all([a.resume(), b.resume()]);
      await a.down(reset_ms_max);
      // The same time, and only the one whose clock went on has missed it.
      const slept_ms = performance.now() - since_ms - ((await uptime_ms(b)) - before_ms);
      say(`the frozen host's clock stood for ${(slept_ms / 1000).toFixed(1)} s of ${hang_ms / 1000} s`);
      assert(slept_ms > hang_ms - 2000, "the frozen host's clock went on");
    });
    await step("a host that was frozen for as long is not: no time has passed for it", async () => {
      await Bun.sleep(2000);
      assert(b.running(), "it was reset");
      await b.must("lsmod | grep -w softdog");
    });
  },
);
