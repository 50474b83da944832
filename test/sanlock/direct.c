/*
 * What lvmlockd's locks cost without lvmlockd: acquires and releases the VG lock (with its value block, as the C daemon of lvm2
 * 2.03.16 does) or an LV lock through libsanlock_client. One line of microseconds for each round.
 * Arguments: lockspace, resource, path, offset, rounds, 1 for a value block.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sanlock.h>
#include <sanlock_admin.h>
#include <sanlock_resource.h>

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

int main(int argc, char *argv[])
{
	char buffer[sizeof(struct sanlk_resource) + sizeof(struct sanlk_disk)] = { 0 };
	struct sanlk_resource *resource = (struct sanlk_resource *)buffer;
	struct sanlk_options options = { 0 };
	char block[512];
	int sock, rv, with_block;
	long rounds;

	if (argc != 7)
		return 2;
	rounds = atol(argv[5]);
	with_block = atoi(argv[6]);
	strncpy(resource->lockspace_name, argv[1], SANLK_NAME_LEN);
	strncpy(resource->name, argv[2], SANLK_NAME_LEN);
	strcpy(resource->disks[0].path, argv[3]);
	resource->disks[0].offset = strtoull(argv[4], NULL, 10);
	resource->num_disks = 1;
	resource->flags = SANLK_RES_ALIGN1M | SANLK_RES_SECTOR512 | (with_block ? 0 : SANLK_RES_PERSISTENT);
	strcpy(options.owner_name, "direct");

	sock = sanlock_register();
	if (sock < 0)
		return 3;
	while (rounds--) {
		double began_us = now_us();
		uint32_t flags = SANLK_ACQUIRE_OWNER_NOWAIT | (with_block ? SANLK_ACQUIRE_LVB : 0);

		rv = sanlock_acquire(sock, -1, flags, 1, &resource, &options);
		if (!rv && with_block)
			rv = sanlock_get_lvb(0, resource, block, sizeof(block));
		if (!rv)
			rv = sanlock_release(sock, -1, 0, 1, &resource);
		if (rv) {
			fprintf(stderr, "sanlock returned %d\n", rv);
			return 1;
		}
		printf("%.1f\n", now_us() - began_us);
	}
	return 0;
}
