import { type ConfigNode, type ConfigValue, createNode, type MutableNode } from "./tree.ts";

// How lvm lays one file over another (merge_config_tree with tags). The file that comes later wins, value by value,
// but only in the first two levels: a section inside a section is taken over whole or not at all.

/** Lists to which a later file adds in front instead of replacing them. */
const joinedLists = new Set(["activation/volume_list", "devices/filter", "devices/types"]);

/** Lays `incoming` over `base` in place. `tags` are the host tags; a section that asks for other ones is skipped. */
export function mergeConfig(base: MutableNode, incoming: ConfigNode, tags: ReadonlySet<string>): void {
  for (const section of incoming.children.values()) {
    if (section.key === "tags") continue;
    const wanted = section.children.get("tags");
    if (wanted !== undefined && !matchesTags(wanted.value, tags)) continue;
    const present = base.children.get(section.key);
    if (present === undefined) base.children.set(section.key, copyWithoutTags(section));
    else mergeSection(present, section);
  }
}

function mergeSection(present: MutableNode, incoming: ConfigNode): void {
  for (const node of incoming.children.values()) {
    if (node.key === "tags" || node.value === undefined) continue;
    const old = present.children.get(node.key);
    if (old === undefined) {
      present.children.set(node.key, copyNode(node));
      continue;
    }
    const joins = joinedLists.has(`${present.key}/${node.key}`) && old.value !== undefined;
    old.value = joins ? joinValues(node.value, old.value) : node.value;
  }
}

function joinValues(front: ConfigValue, back: ConfigValue | undefined): ConfigValue {
  // libdm marks an empty list with an element of its own, and stops there when it prints what was joined.
  if (front.scalars.length === 0) return front;
  return { scalars: [...front.scalars, ...(back?.scalars ?? [])], origin: front.origin };
}

function matchesTags(wanted: ConfigValue | undefined, tags: ReadonlySet<string>): boolean {
  for (const scalar of wanted?.scalars ?? []) {
    if (scalar.kind !== "string") continue;
    const tag = scalar.value.replace(/^@/, "");
    if (tag !== "" && tags.has(tag)) return true;
  }
  return false;
}

function copyWithoutTags(section: ConfigNode): MutableNode {
  const copy = copyNode(section);
  copy.children.delete("tags");
  return copy;
}

/** A copy, because merging changes nodes in place and the tree of a single file is kept for its own diagnostics. */
function copyNode(node: ConfigNode): MutableNode {
  const copy = createNode(node.key, node.origin);
  copy.value = node.value;
  for (const child of node.children.values()) copy.children.set(child.key, copyNode(child));
  return copy;
}
