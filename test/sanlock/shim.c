/*
 * Preloaded into sanlock's daemon by the tests. The daemon raises its limits and locks its memory, and ends when it may not; tests
 * run it where it may not. And a disk can be made to fail: while a file PATH.hung exists, I/O on PATH is accepted and never done;
 * while PATH.failing exists, it is an I/O error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* <sys/resource.h> is left out: with _GNU_SOURCE its first argument is an enum in C and an int elsewhere. */
struct rlimit;

int setrlimit(int resource, const struct rlimit *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

int mlockall(int flags)
{
	(void)flags;
	return 0;
}

/* The first members of libaio's struct iocb, whose header is not installed everywhere. */
struct iocb {
	void *data;
	unsigned int key;
	unsigned int rw_flags;
	short opcode;
	short priority;
	int fd;
};

static int is_marked(int fd, const char *mark)
{
	char link[64];
	char path[1100];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 16);
	if (length <= 0)
		return 0;
	strcpy(path + length, mark);
	return access(path, F_OK) == 0;
}

int io_submit(void *context, long count, struct iocb *requests[])
{
	static int (*real)(void *, long, struct iocb **);

	if (!real)
		real = dlsym(RTLD_NEXT, "io_submit");
	if (getenv("TEST_HUNG_DISKS") && count == 1) {
		if (is_marked(requests[0]->fd, ".hung"))
			return 1;
		if (is_marked(requests[0]->fd, ".failing"))
			return -EIO;
	}
	return real(context, count, requests);
}
