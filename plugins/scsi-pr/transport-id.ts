/* TransportIDs of READ FULL STATUS in words: SPC-4 clause 7.6.4. */

/** PROTOCOL IDENTIFIER values. */
const FIBRE_CHANNEL = 0;
const SBP = 3;
const SRP = 4;
const ISCSI = 5;
const SAS = 6;
const PCIE = 10;

/** Bytes of every TransportID but iSCSI's, which says its own length. */
const FIXED_SIZE_BYTES = 24;
const ISCSI_HEAD_SIZE_BYTES = 4;

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}

function iscsiName(id: Uint8Array): string {
  const text = id.subarray(ISCSI_HEAD_SIZE_BYTES);
  const end = text.indexOf(0);
  // An initiator port (format 01b) is the name, ",i,0x" and the ISID; both forms are UTF-8 text that ends at a NUL.
  return new TextDecoder().decode(end < 0 ? text : text.subarray(0, end));
}

/**
 * The initiator that a TransportID names: "naa.…" (Fibre Channel, SAS), "iqn.…" with its session (iSCSI), "srp.…", "eui.…".
 * Bytes of a transport that has no such name come back in hex with the protocol's number, an empty one as "".
 */
export function transportIdInWords(id: Uint8Array): string {
  const first = id[0];
  if (first === undefined) return "";
  const protocol = first & 0x0f;
  if (protocol === ISCSI) return id.length > ISCSI_HEAD_SIZE_BYTES ? iscsiName(id) : "";
  if (id.length >= FIXED_SIZE_BYTES) {
    if (protocol === FIBRE_CHANNEL) return `naa.${hex(id.subarray(8, 16))}`;
    if (protocol === SBP) return `eui.${hex(id.subarray(8, 16))}`;
    if (protocol === SRP) return `srp.${hex(id.subarray(8, 24))}`;
    if (protocol === SAS) return `naa.${hex(id.subarray(4, 12))}`;
    if (protocol === PCIE) return `pcie.${hex(id.subarray(2, 4))}`;
  }
  return `protocol-${protocol}.${hex(id)}`;
}
