/* Time from starting the daemon's process to its first reply. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "scenarios.h"
#include "wire.h"

#define POLL_US 100
#define GIVE_UP_S 20

extern char **environ;

static pid_t spawn(char **command)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	if (!command[0])
		fail("startup needs the daemon's command line after --");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
	if (error)
		fail("starting %s: %s", command[0], strerror(error));
	return pid;
}

/* A connected socket, or -1 while nobody listens. */
static int try_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("creating a socket");
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int wait_for_listener(const struct options *options, pid_t pid, uint64_t give_up_ns)
{
	struct timespec pause = {.tv_nsec = POLL_US * 1000};
	int fd;

	while ((fd = try_connect(options->socket_path)) < 0) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			fail("%s ended before it listened on %s", options->command[0], options->socket_path);
		if (now_ns() > give_up_ns) {
			kill(pid, SIGTERM);
			fail("%s did not listen within %d s", options->command[0], GIVE_UP_S);
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

void run_startup(const struct options *options)
{
	struct request hello = request_hello();
	uint64_t started_ns = now_ns();
	pid_t pid = spawn(options->command);
	int fd = wait_for_listener(options, pid, started_ns + GIVE_UP_S * 1000000000ull);
	uint64_t ready_ns;

	must_call(fd, &hello);
	ready_ns = now_ns();
	close(fd);
	/* The C daemon overlooks a SIGTERM that comes just before it begins to poll, and then never ends. */
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	printf("{\"scenario\":\"startup\",\"first_reply_ms\":%.3f}\n", (double)(ready_ns - started_ns) / 1e6);
}
