import { ptr } from "bun:ffi";

/** The types of a field: C integers, a pointer, or `size` bytes of characters or raw data. */
export type FieldType =
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "pointer"
  | { readonly text: number }
  | { readonly bytes: number };

/** Fields by their C names: type and offset in bytes. */
export type FieldTable = Readonly<Record<string, readonly [type: FieldType, offset_bytes: number]>>;

/** What a field's value is in TypeScript: 64-bit integers and pointers are bigint. */
export type FieldValue<Type extends FieldType> = Type extends "i64" | "u64" | "pointer"
  ? bigint
  : Type extends { readonly text: number }
    ? string
    : Type extends { readonly bytes: number }
      ? Uint8Array
      : number;

/** One struct in memory. `bytes` can be handed to a native call as it is. */
export interface Struct<Fields extends FieldTable> {
  readonly bytes: Uint8Array;
  get<Name extends keyof Fields>(name: Name): FieldValue<Fields[Name][0]>;
  /** Throws RangeError when the value does not fit; text must leave room for nothing, C names here need no NUL. */
  set<Name extends keyof Fields>(name: Name, value: FieldValue<Fields[Name][0]>): void;
  /** The address, for a field of another struct. The caller keeps this object alive while native code uses it. */
  address(): bigint;
}

/** A struct's layout: its name and header in C (for the test against the compiler), its size and its fields. */
export interface StructLayout<Fields extends FieldTable> {
  readonly c_name: string;
  readonly header: string;
  readonly size_bytes: number;
  readonly fields: Fields;
  /** Zeroed memory of its own for one struct. */
  allocate(): Struct<Fields>;
  /** The struct at `offset_bytes` of memory that `stableMemory` made (an array of structs, or a tail behind a struct). */
  at(memory: Uint8Array, offset_bytes: number): Struct<Fields>;
}

/**
 * Zeroed memory whose address never changes. A TypedArray of up to 1000 bytes made in the usual way moves its storage when
 * `.buffer` or `subarray` touch it (reproduced with Bun 1.4.5) and an address taken before dangles; one made over an
 * ArrayBuffer of its own does not.
 */
export function stableMemory(size_bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size_bytes));
}

/** Defines a struct. All of the systems we run on are little endian with 64-bit pointers, and so is this. */
export function defineStruct<const Fields extends FieldTable>(
  c_name: string,
  header: string,
  size_bytes: number,
  fields: Fields,
): StructLayout<Fields> {
  for (const [name, [type, offset_bytes]] of Object.entries(fields)) {
    if (offset_bytes + fieldSize(type) > size_bytes) throw new RangeError(`${c_name}.${name} lies outside`);
  }
  const at = (memory: Uint8Array, offset_bytes: number): Struct<Fields> =>
    makeStruct(fields, memory.subarray(offset_bytes, offset_bytes + size_bytes), c_name, size_bytes);
  return { c_name, header, size_bytes, fields, at, allocate: () => at(stableMemory(size_bytes), 0) };
}

/** The size in bytes that a field takes. */
export function fieldSize(type: FieldType): number {
  if (typeof type === "object") return "text" in type ? type.text : type.bytes;
  const sizes = { i8: 1, u8: 1, i16: 2, u16: 2, i32: 4, u32: 4, i64: 8, u64: 8, pointer: 8 } as const;
  return sizes[type];
}

function makeStruct<Fields extends FieldTable>(
  fields: Fields,
  bytes: Uint8Array,
  c_name: string,
  size_bytes: number,
): Struct<Fields> {
  if (bytes.length !== size_bytes)
    throw new RangeError(`${c_name} needs ${size_bytes} bytes, not ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (name: keyof Fields): Fields[string] => {
    const found = fields[name as string];
    if (found === undefined) throw new RangeError(`${c_name} has no field ${String(name)}`);
    return found as Fields[string];
  };
  return {
    bytes,
    get(name) {
      const [type, offset_bytes] = field(name);
      return readField(view, bytes, type, offset_bytes) as FieldValue<Fields[typeof name][0]>;
    },
    set(name, value) {
      const [type, offset_bytes] = field(name);
      writeField(view, bytes, type, offset_bytes, value, `${c_name}.${String(name)}`);
    },
    address: () => BigInt(ptr(bytes)),
  };
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function readField(
  view: DataView,
  bytes: Uint8Array,
  type: FieldType,
  offset: number,
): number | bigint | string | Uint8Array {
  if (typeof type === "object") {
    const content = bytes.subarray(offset, offset + fieldSize(type));
    if ("bytes" in type) return content;
    const end = content.indexOf(0);
    return decoder.decode(end < 0 ? content : content.subarray(0, end));
  }
  switch (type) {
    case "i8":
      return view.getInt8(offset);
    case "u8":
      return view.getUint8(offset);
    case "i16":
      return view.getInt16(offset, true);
    case "u16":
      return view.getUint16(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i64":
      return view.getBigInt64(offset, true);
    case "u64":
    case "pointer":
      return view.getBigUint64(offset, true);
  }
}

/** Smallest and largest value of the integer types, so that nothing is cut silently on its way to C. */
const RANGES = {
  i8: [-0x80, 0x7f],
  u8: [0, 0xff],
  i16: [-0x8000, 0x7fff],
  u16: [0, 0xffff],
  i32: [-0x80000000, 0x7fffffff],
  u32: [0, 0xffffffff],
} as const;

function writeField(
  view: DataView,
  bytes: Uint8Array,
  type: FieldType,
  offset: number,
  value: number | bigint | string | Uint8Array,
  where: string,
): void {
  if (typeof type === "object") {
    const content = typeof value === "string" ? encoder.encode(value) : value;
    const size_bytes = fieldSize(type);
    if (!(content instanceof Uint8Array) || content.length > size_bytes)
      throw new RangeError(`${where} takes text or data of at most ${size_bytes} bytes`);
    bytes.fill(0, offset, offset + size_bytes);
    bytes.set(content, offset);
  } else if (type === "i64" || type === "u64" || type === "pointer") {
    if (typeof value !== "bigint") throw new TypeError(`${where} takes a bigint`);
    const fits = type === "i64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    if (fits !== value) throw new RangeError(`${where} does not hold ${value}`);
    if (type === "i64") view.setBigInt64(offset, value, true);
    else view.setBigUint64(offset, value, true);
  } else {
    const [least, most] = RANGES[type];
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
      throw new RangeError(`${where} does not hold ${String(value)}`);
    writeInteger(view, type, offset, value);
  }
}

function writeInteger(view: DataView, type: keyof typeof RANGES, offset: number, value: number): void {
  switch (type) {
    case "i8":
    case "u8":
      view.setUint8(offset, value & 0xff);
      break;
    case "i16":
    case "u16":
      view.setUint16(offset, value & 0xffff, true);
      break;
    case "i32":
    case "u32":
      view.setUint32(offset, value >>> 0, true);
      break;
  }
}
