import * as v from "valibot";
import { type Diagnostic, diagnoseFile, diagnoseProblem } from "./diagnose.ts";
import { boolean } from "./setting-kinds.ts";
import { rawFromText } from "./text.ts";
import type { ConfigNode } from "./tree.ts";

/** The host tags so far, in the order in which their files are read, and what was wrong with their definitions. */
export interface HostTags {
  readonly names: Set<string>;
  readonly diagnostics: Diagnostic[];
}

/**
 * Adds the host tags that the `tags` section of one file defines: the host name where hosttags is set, and every
 * subsection whose host_list, if it has one, names this host. What lvm stops at is an error here as well.
 */
export function addHostTags(tags: HostTags, root: ConfigNode, hostname: string): void {
  const section = root.children.get("tags");
  if (section === undefined) return;
  const host = rawFromText(hostname);
  const hosttags = section.children.get("hosttags");
  if (hosttags?.value !== undefined && readHosttags(tags, hosttags)) addHostName(tags, host);
  for (const node of section.children.values()) {
    if (node.value !== undefined) continue;
    const name = node.key.replace(/^@/, "");
    if (!isTagName(name)) {
      report(
        tags,
        node,
        "lvm refuses this tag name",
        "letters, digits and . _ - +, 127 at most, no - in front",
      );
    } else if (appliesHere(tags, node, host)) {
      tags.names.add(name);
    }
  }
}

/** lvm does not check the host name, but it becomes part of a file name here. */
function addHostName(tags: HostTags, host: string): void {
  if (isTagName(host)) tags.names.add(host);
  else
    tags.diagnostics.push(diagnoseFile("tags/hosttags", "warning", `the host name "${host}" can't be a tag`));
}

function readHosttags(tags: HostTags, node: ConfigNode): boolean {
  const { schema, expected } = boolean();
  const result = v.safeParse(schema, node.value?.scalars[0]?.value);
  if (result.success && node.value?.scalars.length === 1) return result.output;
  report(tags, node, "tags/hosttags has a wrong value", expected);
  return false;
}

/** As lvm's validate_name: such a name can't leave the directory either. */
function isTagName(name: string): boolean {
  return /^[A-Za-z0-9._+-]{1,127}$/.test(name) && !name.startsWith("-") && name !== "." && name !== "..";
}

/** In the order in which they are written, as in lvm: a list that names this host decides before what follows is seen. */
function appliesHere(tags: HostTags, tag: ConfigNode, host: string): boolean {
  let applies = true;
  for (const node of tag.children.values()) {
    if (node.value === undefined) continue;
    if (node.key === "host_filter") {
      report(tags, node, "lvm stops here: host_filter was never written");
      return false;
    }
    if (node.key !== "host_list") continue;
    applies = false;
    for (const scalar of node.value.scalars) {
      if (scalar.kind === "string" && scalar.value === host) return true;
      if (scalar.kind === "string") continue;
      report(tags, node, "lvm stops here: this is not a host name", "a list of strings");
      return false;
    }
  }
  return applies;
}

function report(tags: HostTags, node: ConfigNode, message: string, expected?: string): void {
  if (node.origin === undefined) return;
  const { file, start, end } = node.origin;
  const problem = { severity: "error" as const, start, end, message };
  tags.diagnostics.push(diagnoseProblem(expected === undefined ? problem : { ...problem, expected }, file));
}
