/*
 * Stands in for disks that take their time: gives each message of a connection back as it came, so many milliseconds later.
 * What is written to a sg device is a header, and what is read from it is the same header with the end of the command in it.
 *
 *   slow-disks SOCKET DELAY_MS      prints a line when it listens
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, HELD_MAX = 4096, HEADER_BYTES = 88 };

/* Everything takes equally long, so what came first goes first. */
static struct { int fd; double due_ms; char header[HEADER_BYTES]; } held[HELD_MAX];
static unsigned first, behind;

static double now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd polled[CONNECTIONS_MAX];
	int count = 1, listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
	strcpy(address.sun_path, argv[1]);
	if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 128)) return perror(argv[1]), 1;
	polled[0] = (struct pollfd){ .fd = listening, .events = POLLIN };
	puts("listens");
	fflush(stdout);
	for (;;) {
		double left_ms = first == behind ? -1 : held[first % HELD_MAX].due_ms - now_ms();
		poll(polled, count, first == behind ? -1 : left_ms < 0 ? 0 : (int)(left_ms + 0.999));
		for (; first != behind && held[first % HELD_MAX].due_ms <= now_ms(); first++)
			send(held[first % HELD_MAX].fd, held[first % HELD_MAX].header, HEADER_BYTES, MSG_NOSIGNAL);
		for (int i = 1; i < count; i++) {
			if (!polled[i].revents) continue;
			int at = behind % HELD_MAX;
			if (recv(polled[i].fd, held[at].header, HEADER_BYTES, MSG_DONTWAIT) == HEADER_BYTES) {
				held[at].fd = polled[i].fd;
				held[at].due_ms = now_ms() + atof(argv[2]);
				behind++;
			} else {
				close(polled[i].fd);
				polled[i--] = polled[--count];
			}
		}
		if (polled[0].revents && count < CONNECTIONS_MAX)
			polled[count++] = (struct pollfd){ .fd = accept(listening, NULL, NULL), .events = POLLIN };
	}
}
