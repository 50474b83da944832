/* Reads the daemon's info over and over, as `lvmlockctl --info` in a loop would. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "scenarios.h"
#include "wire.h"

#define DATAGRAM_SIZE_MAX 65536
/* The C daemon gives up after 500 ms without a word, and so does a reader that hears nothing for this long. */
#define RECEIVE_TIMEOUT_MS 700

/* How long another reader, an lvmlockctl or a test, may have the address. */
#define ADDRESS_PATIENCE_S 20
#define ADDRESS_LOOK_US 1000

static void bind_patiently(int fd, const struct sockaddr_un *address, socklen_t size)
{
	uint64_t give_up_ns = now_ns() + ADDRESS_PATIENCE_S * 1000000000ull;

	while (bind(fd, (const struct sockaddr *)address, size) < 0) {
		if (errno != EADDRINUSE || now_ns() > give_up_ns)
			fail("binding the abstract socket @%s: %s (is an lvmlockctl --info running?)", address->sun_path + 1,
			     strerror(errno));
		usleep(ADDRESS_LOOK_US);
	}
}

/*
 * The daemon sends info to this one abstract name, whoever asks, so one reader at a time can have it. The address is as long
 * as lvmlockctl binds it: family, NUL and name.
 */
static int bind_dump_socket(void)
{
	static const char name[] = "lvmlockd-dump.sock";
	struct timeval timeout = {.tv_usec = RECEIVE_TIMEOUT_MS * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(address.sun_family) + 1 + sizeof(name) - 1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("creating the dump socket");
	memcpy(address.sun_path + 1, name, sizeof(name) - 1);
	bind_patiently(fd, &address, size);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		fail_errno("setsockopt");
	return fd;
}

static uint64_t announced_size(const char *reply)
{
	const char *field = strstr(reply, "\ndump_len = ");

	if (!field)
		fail("info was answered with %s", reply);
	return strtoull(field + sizeof("\ndump_len = ") - 1, NULL, 10);
}

/* Bytes that came, which is less than `announced` when the sender gave up. */
static uint64_t receive_text(int fd, uint64_t announced)
{
	static char datagram[DATAGRAM_SIZE_MAX];
	uint64_t received = 0;
	ssize_t got;

	while (received < announced) {
		got = recv(fd, datagram, sizeof(datagram), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		received += (uint64_t)got;
	}
	return received;
}

void run_info_loop(const struct options *options)
{
	struct request hello = request_hello();
	struct request info = request_info();
	uint64_t end_ns = now_ns() + (uint64_t)(options->seconds * 1e9);
	uint64_t infos = 0, truncated = 0, announced = 0, received;
	char reply[REPLY_SIZE_MAX];
	int dump_fd, fd;

	while (now_ns() < end_ns) {
		dump_fd = bind_dump_socket();
		fd = connect_socket(options->socket_path);
		must_call(fd, &hello);
		call(fd, &info, reply);
		announced = announced_size(reply);
		received = receive_text(dump_fd, announced);
		infos++;
		truncated += received < announced;
		close(fd);
		close(dump_fd);
	}
	printf("{\"scenario\":\"info\",\"infos\":%" PRIu64 ",\"truncated\":%" PRIu64 ",\"size_bytes\":%" PRIu64 "}\n", infos,
	       truncated, announced);
}
