/** udev's watch on block devices, which the image switches off for what it costs: see NOWATCH_RULE in image/build.ts. */
import type { Host } from "../lab/host.ts";

/** Has udev look at a device anew whenever a program closes it after writing, as every host outside the lab does. */
export async function udevWatches(host: Host): Promise<void> {
  await host.must(
    "rm /usr/lib/udev/rules.d/99-lab-nowatch.rules && udevadm control --reload && udevadm trigger --action=change --subsystem-match=block && udevadm settle",
  );
}
