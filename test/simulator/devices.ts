/**
 * The reservation keys on the PVs of the VGs, and the lvmpersist of every host. It does what the daemon's shell does for the core:
 * a key is gone when every PV says so, and a host in another generation is another matter. It insists on what a fence must
 * never be: of oneself, of somebody who lives, twice at a time, or again after it has succeeded; nor is it over before the host's
 * commands are, which only who removed the key knows without waiting.
 */
import { DEADLINES } from "../../core/deadlines.ts";
import type { AskReservations, HostLife, ManagerAnswer } from "../../core/locking/api.ts";
import { refuse } from "../../plugins/contract.ts";
import { insist } from "./insist.ts";

/** A host by its place, and which daemon it has by now. */
export interface DeviceHost {
  readonly index: number;
  readonly incarnation: number;
}

/** Work on keys when it is done: at what time, and whether a device is in the way, or only its answer to an abort is lost. */
export interface KeyWork {
  readonly now_ms: number;
  readonly goes_wrong: boolean;
  readonly loses_answer: boolean;
}

export interface Devices {
  /** Work on keys was asked for; it takes its time until `execute`. */
  asked(host: DeviceHost, ask: AskReservations, hasFailed: (life: HostLife) => boolean): void;
  execute(host: DeviceHost, ask: AskReservations, at: KeyWork): ManagerAnswer;
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
  /** Fences whose host can do no more harm, and when the key was first seen to be gone in the others. */
  const proven = new Set<string>();
  const gone_since_ms = new Map<string, number>();

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

  function remove({ vg_name, own, removed }: AskReservations, name: string, at: KeyWork): ManagerAnswer {
    if (removed === null || at.goes_wrong) return refuse("EAGAIN", "a simulated PV does not answer");
    const keys = keysOf(vg_name);
    if (!keys.has(own.host_id)) return refuse("EAGAIN", "our own key is not registered");
    const generation = keys.get(removed.host_id);
    if (generation !== undefined && generation !== removed.generation)
      return refuse("EAGAIN", "the host has a key of another generation");
    const aborted = keys.delete(removed.host_id) && !at.loses_answer;
    if (aborted) proven.add(name);
    else if (!gone_since_ms.has(name)) gone_since_ms.set(name, at.now_ms);
    return { kind: "done", aborted, detail: "" };
  }

  function checkRemoved({ vg_name, removed }: AskReservations, name: string, at: KeyWork): ManagerAnswer {
    const waited_ms = at.now_ms - (gone_since_ms.get(name) ?? at.now_ms);
    insist(waited_ms >= DEADLINES.fence_settle_ms, `${name} waits for the host's commands to end`);
    if (removed === null || at.goes_wrong || keysOf(vg_name).has(removed.host_id))
      return refuse("EAGAIN", "a simulated PV does not answer");
    proven.add(name);
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
    execute(host, ask, at) {
      const { method, vg_name, own, removed } = ask;
      if (removed !== null) {
        const name = fenceName(host, vg_name, own.generation, removed);
        under_way.delete(name);
        return method === "removeKey" ? remove(ask, name, at) : checkRemoved(ask, name, at);
      }
      if (at.goes_wrong) return refuse("EPREPARE", "a simulated PV has no key of this host");
      // Somebody ran `vgchange --persist start` before the VG was started, and could only guess the generation.
      keysOf(vg_name).set(own.host_id, own.generation);
      return DONE;
    },
    isRegistered: (vg_name, host_id) => vgs.get(vg_name)?.has(host_id) === true,
    toldDead(host, vg_name, own_generation, dead) {
      const name = fenceName(host, vg_name, own_generation, dead);
      insist(proven.has(name), `${name} has ended the host's commands before it is called dead`);
      finished.add(name);
    },
  };
}
