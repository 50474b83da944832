/** The guests there are, and what is in them. */

export type ImageKind = "trixie" | "forky";

export interface Recipe {
  readonly suite: ImageKind;
  readonly packages: readonly string[];
  readonly apt_options: readonly string[];
  /** Kernel modules, with all that they need. Names that a kernel does not have are left out. */
  readonly modules: readonly string[];
  /** udev rules that stay; a full coldplug costs 9 s under emulation. */
  readonly udev_rules: readonly string[];
}

const PACKAGES = [
  "linux-image-amd64",
  "lvm2",
  "lvm2-lockd",
  "sanlock",
  "dlm-controld",
  "corosync",
  "thin-provisioning-tools",
  "sg3-utils",
  "open-iscsi",
  "multipath-tools",
  "nvme-cli",
  "kmod",
  "iproute2",
  "iputils-ping",
  "udev",
  "procps",
  "psmisc",
  "busybox-static",
  "e2fsprogs",
  "dmsetup",
  "strace",
] as const;

const MODULES = [
  // The machine.
  ..."virtio_pci virtio_blk virtio_scsi virtio_net virtio_console virtio-rng sd_mod sg ext4 overlay softdog i6300esb".split(
    " ",
  ),
  // Device-mapper targets that LVM uses.
  ..."dm-mod dm-snapshot dm-thin-pool dm-mirror dm-raid dm-cache dm-cache-smq dm-writecache dm-integrity".split(
    " ",
  ),
  ..."dm-crypt dm-multipath dm-service-time dm-queue-length dm-round-robin dm-delay dm-flakey dm-zero raid1 raid456 loop brd".split(
    " ",
  ),
  // dlm, and storage for persistent reservations.
  ..."dlm configfs iscsi_tcp target_core_mod target_core_file target_core_iblock iscsi_target_mod tcm_loop scsi_dh_alua".split(
    " ",
  ),
  ..."nvme nvme-tcp nvme-loop nvmet nvmet-tcp crc32c_generic crc32c_cryptoapi crc32_generic".split(" "),
] as const;

const UDEV_RULES = [
  "50-udev-default.rules",
  "51-dlm.rules",
  "55-dm.rules",
  "56-lvm.rules",
  "60-block.rules",
  "60-persistent-storage.rules",
  "60-persistent-storage-dm.rules",
  "95-dm-notify.rules",
] as const;

export const RECIPES: { readonly [kind in ImageKind]: Recipe } = {
  // Debian 13: lvm2 2.03.31, sanlock 3.9.5, dlm 4.3, Linux 6.12.
  trixie: { suite: "trixie", packages: PACKAGES, apt_options: [], modules: MODULES, udev_rules: UDEV_RULES },
  // sanlock 5.1 and a kernel whose NVMe target has reservations. A moving suite of Debian: on a machine whose clock or mirror
  // stands still, its Release file counts as expired, though it is signed as ever.
  forky: {
    suite: "forky",
    packages: PACKAGES,
    apt_options: ['Acquire::Check-Valid-Until "false"'],
    modules: MODULES,
    udev_rules: UDEV_RULES,
  },
};
