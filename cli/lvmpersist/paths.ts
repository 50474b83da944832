/** What is said of the paths of multipath maps. */
import type { PathState } from "../../plugins/scsi-pr/actions/paths.ts";
import type { DeviceReport, RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { printKey } from "../../plugins/scsi-pr/keys.ts";
import { textTable } from "../table.ts";

function each<Row>(report: RunReport, row: (device: DeviceReport, path: PathState) => Row): Row[] {
  return report.devices.flatMap((device) => (device.paths ?? []).map((path) => row(device, path)));
}

/** A line for each path, in the form of lvm2's script, which has none of these. */
export function pathLines(report: RunReport): string[] {
  return each(report, ({ path: device }, { path, state, key, detail }) => {
    const with_key = key === null ? "" : ` ${printKey(key)}`;
    const why = detail === "" ? "" : ` (${detail})`;
    return `Device ${device}: path ${path}: ${state}${with_key}${why}`;
  });
}

/** A table of its own below the other one; nothing when no device has paths. */
export function pathTable(report: RunReport): string[] {
  const rows = each(report, ({ path: device }, { path, state, key, detail }) => [
    device,
    path,
    state,
    key === null ? "" : printKey(key),
    detail,
  ]);
  return rows.length === 0 ? [] : ["", ...textTable(["DEVICE", "PATH", "STATE", "KEY", "WHY"], rows)];
}

/** The rows of the list `path`. */
export function pathRows(report: RunReport): object[] {
  return each(report, ({ path: device }, { path, state, key, detail }) => ({
    device,
    path,
    state,
    key: key === null ? null : printKey(key),
    detail,
  }));
}

/** What a start warns of: paths that it could not register, or not read back as registered. */
export function pathWarnings(report: RunReport): string[] {
  return each(report, ({ path: device }, { path, state, detail }) => {
    const why = detail === "" ? "" : ` (${detail})`;
    switch (state) {
      case "registered":
        return [];
      case "lost":
        return [
          `the path ${path} of ${device} is lost${why}: whether our key is registered there can't be told; multipathd registers it when it returns, and writes through it fail until then`,
        ];
      default:
        return [`the path ${path} of ${device} is ${state}${why}: writes through it fail`];
    }
  }).flat();
}
