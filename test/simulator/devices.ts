/**
 * The reservation keys on the PVs of the VGs, and the lvmpersist of every host. It does what the daemon's shell does for the core:
 * a key is gone when every PV says so, and a host in another generation is another matter. It insists on what a fence must
 * never be: of oneself, of somebody who lives, twice at a time, or again after it has succeeded.
 */
import type { AskReservations, HostLife, ManagerAnswer } from "../../core/locking/api.ts";
import { refuse } from "../../plugins/contract.ts";
import { insist } from "./insist.ts";

/** A host by its place, and which daemon it has by now. */
export interface DeviceHost {
  readonly index: number;
  readonly incarnation: number;
}

export interface Devices {
  /** Work on keys was asked for; it takes its time until `execute`. */
  asked(host: DeviceHost, ask: AskReservations, hasFailed: (life: HostLife) => boolean): void;
  execute(host: DeviceHost, ask: AskReservations, goes_wrong: boolean): ManagerAnswer;
  /** Whether the host can write to the VG. */
  isRegistered(vg_name: string, host_id: number): boolean;
  /** The lock manager was told, and has given the host's locks away. */
  toldDead(host: DeviceHost, vg_name: string, own_generation: number, dead: HostLife): void;
}

const DONE: ManagerAnswer = Object.freeze({ kind: "done" });

export function createDevices(): Devices {
  /** The generation in each host's key, by VG and host_id. */
  const vgs = new Map<string, Map<number, number>>();
  const under_way = new Set<string>();
  const finished = new Set<string>();

  function keysOf(vg_name: string): Map<number, number> {
    let keys = vgs.get(vg_name);
    if (keys === undefined) {
      keys = new Map();
      vgs.set(vg_name, keys);
    }
    return keys;
  }

  /** One fence: by this daemon of this host, in this life of its own, of that life of the other one. */
  function fenceName(
    { index, incarnation }: DeviceHost,
    vg_name: string,
    own_generation: number,
    { host_id, generation }: HostLife,
  ): string {
    return `${index}.${incarnation}.${own_generation} of ${vg_name} fences ${host_id}.${generation}`;
  }

  function remove({ vg_name, own, removed }: AskReservations, goes_wrong: boolean): ManagerAnswer {
    if (removed === null || goes_wrong) return refuse("EAGAIN", "a simulated PV does not answer");
    const keys = keysOf(vg_name);
    if (!keys.has(own.host_id)) return refuse("EAGAIN", "our own key is not registered");
    const generation = keys.get(removed.host_id);
    if (generation !== undefined && generation !== removed.generation)
      return refuse("EAGAIN", "the host has a key of another generation");
    keys.delete(removed.host_id);
    return DONE;
  }

  return {
    asked(host, { method, vg_name, own, removed }, hasFailed) {
      if (method !== "removeKey") return;
      insist(removed !== null, "a removal names whose key goes");
      insist(removed.host_id !== own.host_id, "no host fences itself");
      insist(hasFailed(removed), `host_id ${removed.host_id} has failed when it is fenced`);
      const name = fenceName(host, vg_name, own.generation, removed);
      insist(!under_way.has(name), `${name} one attempt at a time`);
      insist(!finished.has(name), `${name} once`);
      under_way.add(name);
    },
    execute(host, ask, goes_wrong) {
      const { method, vg_name, own, removed } = ask;
      if (removed !== null) under_way.delete(fenceName(host, vg_name, own.generation, removed));
      if (method === "removeKey") return remove(ask, goes_wrong);
      if (goes_wrong) return refuse("EPREPARE", "a simulated PV has no key of this host");
      // Somebody ran `vgchange --persist start` before the VG was started, and could only guess the generation.
      keysOf(vg_name).set(own.host_id, own.generation);
      return DONE;
    },
    isRegistered: (vg_name, host_id) => vgs.get(vg_name)?.has(host_id) === true,
    toldDead(host, vg_name, own_generation, dead) {
      finished.add(fenceName(host, vg_name, own_generation, dead));
    },
  };
}
