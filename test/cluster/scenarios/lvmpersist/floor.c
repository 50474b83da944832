/*
 * The floor under `lvmpersist start`: its commands, with as little as possible on our side of the kernel. To each disk the same
 * nine commands in the same three steps, each step waited for on all disks, by write, poll and read of their sg devices; and
 * the disks are opened as we open them. Nothing is checked but that each command succeeds. It is for measurements.
 *
 *   pr-floor KEY DISK...      KEY in hex, DISK as /dev/sda; ends with 1 when a command fails
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <scsi/sg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEVICES_MAX = 1024, STEP_MAX = 4, ANSWER_BYTES = 4096, LIST_BYTES = 24, SENSE_BYTES = 252, TRIES = 16 };
enum { IN = 0x5e, OUT = 0x5f };
enum { READ_KEYS = 0, READ_RESERVATION = 1, REPORT_CAPABILITIES = 2 };
enum { RESERVE = 1, REGISTER_AND_IGNORE = 6 };
enum { WRITE_EXCLUSIVE = 1 };

struct command { unsigned char operation, action; };

/* As actions/job.ts sends them. The device looks at the key of RESERVE, and REGISTER AND IGNORE EXISTING KEY at the new one. */
static const struct command steps[][STEP_MAX] = {
	{ { IN, REPORT_CAPABILITIES }, { IN, READ_KEYS }, { IN, READ_RESERVATION } },
	{ { IN, READ_KEYS }, { OUT, REGISTER_AND_IGNORE }, { IN, READ_KEYS } },
	{ { OUT, RESERVE }, { IN, READ_KEYS }, { IN, READ_RESERVATION } },
};

static struct device {
	const char *path;
	int disk, sg, at, tries;
	sg_io_hdr_t header;
	unsigned char cdb[10], data[ANSWER_BYTES], sense[SENSE_BYTES];
} devices[DEVICES_MAX];
static struct pollfd polled[DEVICES_MAX];
static uint64_t key;

static void die(const char *what, const char *path) { fprintf(stderr, "%s: ", path); perror(what); exit(1); }

static void put64(unsigned char *to, uint64_t value)
{
	for (int i = 0; i < 8; i++) to[i] = value >> (56 - 8 * i);
}

static void submit(struct device *one, const struct command *command)
{
	int out = command->operation == OUT, length = out ? LIST_BYTES : ANSWER_BYTES;
	memset(one->cdb, 0, sizeof one->cdb);
	memset(one->data, 0, sizeof one->data);
	one->cdb[0] = command->operation;
	one->cdb[1] = command->action;
	if (out && command->action == RESERVE) one->cdb[2] = WRITE_EXCLUSIVE;
	one->cdb[7] = length >> 8;
	one->cdb[8] = length;
	if (out) put64(one->data + (command->action == RESERVE ? 0 : 8), key);
	one->header = (sg_io_hdr_t){ .interface_id = 'S', .dxfer_direction = out ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV,
		.cmd_len = sizeof one->cdb, .mx_sb_len = SENSE_BYTES, .dxfer_len = length, .dxferp = one->data,
		.cmdp = one->cdb, .sbp = one->sense, .timeout = 30000 };
	if (write(one->sg, &one->header, sizeof one->header) < 0) die("write", one->path);
}

static void open_device(struct device *one, const char *path)
{
	char directory[300], name[300] = "";
	snprintf(directory, sizeof directory, "/sys/block/%s/device/scsi_generic", strrchr(path, '/') + 1);
	one->path = path;
	if ((one->disk = open(path, O_RDONLY | O_NONBLOCK)) < 0) die("open", path);
	DIR *entries = opendir(directory);
	if (!entries) die("opendir", directory);
	for (struct dirent *entry; (entry = readdir(entries)); )
		if (!strncmp(entry->d_name, "sg", 2)) snprintf(name, sizeof name, "/dev/%s", entry->d_name);
	closedir(entries);
	if ((one->sg = open(name, O_RDWR | O_NONBLOCK)) < 0) die("open", name);
}

/* Takes the end of a command. 1 when it was carried out, 0 when the device only had news and is to be sent it again. */
static int collect(struct device *one)
{
	if (read(one->sg, &one->header, sizeof one->header) < 0) die("read", one->path);
	if ((one->header.info & SG_INFO_OK_MASK) == SG_INFO_OK) return 1;
	if (one->header.status == 2 && (one->sense[2] & 15) == 6 && one->tries++ < TRIES) return 0;
	fprintf(stderr, "%s: status %d, host status %d\n", one->path, one->header.status, one->header.host_status);
	exit(1);
}

static void run(const struct command *step, int count)
{
	int left = count;
	for (int i = 0; i < count; i++) {
		devices[i].at = 0;
		polled[i] = (struct pollfd){ .fd = devices[i].sg, .events = POLLIN };
		submit(&devices[i], step);
	}
	while (left > 0) {
		if (poll(polled, count, -1) < 0) die("poll", "sg");
		for (int i = 0; i < count; i++) {
			if (!polled[i].revents) continue;
			devices[i].at += collect(&devices[i]);
			if (devices[i].at < STEP_MAX && step[devices[i].at].operation) submit(&devices[i], &step[devices[i].at]);
			else { polled[i].fd = -1; left--; }
		}
	}
}

int main(int argc, char **argv)
{
	int count = argc - 2;
	if (count < 1 || count > DEVICES_MAX) return fprintf(stderr, "usage: pr-floor KEY DEVICE...\n"), 2;
	key = strtoull(argv[1], NULL, 16);
	for (int i = 0; i < count; i++) open_device(&devices[i], argv[i + 2]);
	for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) run(steps[i], count);
	return 0;
}
