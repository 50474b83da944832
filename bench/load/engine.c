#define _GNU_SOURCE
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"

/* A daemon that answers nobody for this long has lost a request; the slowest honest wait seen is C's 2.2 s under 64 clients. */
#define SILENCE_MS 20000
#define EVENTS_MAX 128

struct client {
	const struct program *program;
	int fd;
	unsigned next;
	uint64_t sent_ns;
	size_t reply_size;
	char reply[REPLY_SIZE_MAX];
};

struct run {
	const struct run_options *options;
	struct run_result *result;
	int epoll_fd;
	unsigned active;
	uint64_t deadline_ns;
};

static void open_client(struct run *run, struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	client->fd = connect_socket(run->options->socket_path);
	if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
		fail_errno("epoll_ctl");
}

static void send_next(struct run *run, struct client *client)
{
	client->reply_size = 0;
	client->sent_ns = now_ns();
	if (!send_request(client->fd, &client->program->requests[client->next], run->options->one_write))
		fail_sending(client->fd, &client->program->requests[client->next]);
}

static void finish_pass(struct run *run, struct client *client, uint64_t now)
{
	bool over = run->deadline_ns == 0 || now >= run->deadline_ns;

	if (client->program->reconnects || over)
		close(client->fd);
	if (over) {
		run->active--;
		return;
	}
	client->next = 0;
	if (client->program->reconnects)
		open_client(run, client);
	send_next(run, client);
}

static void handle_reply(struct run *run, struct client *client)
{
	const struct request *request = &client->program->requests[client->next];
	uint64_t now = now_ns();
	bool counts = run->deadline_ns == 0 || now <= run->deadline_ns;

	if (request->must_succeed && !reply_is_success(client->reply, client->reply_size))
		fail("refused: %.*s answered with %.*s", (int)request->size, request->bytes, (int)client->reply_size,
		     client->reply);
	histogram_add(&run->result->latency, now - client->sent_ns);
	run->result->requests += counts;
	client->next++;
	if (client->next < client->program->count) {
		send_next(run, client);
		return;
	}
	run->result->passes += counts;
	finish_pass(run, client, now);
}

static void handle_event(struct run *run, struct client *client)
{
	ssize_t got = recv(client->fd, client->reply + client->reply_size, REPLY_SIZE_MAX - client->reply_size, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		fail("the daemon closed a connection that waits for a reply");
	client->reply_size += (size_t)got;
	if (reply_is_complete(client->reply, client->reply_size))
		handle_reply(run, client);
}

static void say_hello(struct client *client)
{
	struct request hello = request_hello();

	must_call(client->fd, &hello);
	free((void *)hello.bytes);
}

static struct client *open_clients(struct run *run)
{
	struct client *clients = must_alloc(run->options->clients, sizeof(*clients));
	unsigned i;

	for (i = 0; i < run->options->clients; i++) {
		clients[i].program = &run->options->programs[i];
		open_client(run, &clients[i]);
		if (!clients[i].program->reconnects)
			say_hello(&clients[i]);
	}
	return clients;
}

static void loop(struct run *run)
{
	struct epoll_event events[EVENTS_MAX];
	int count;
	int i;

	while (run->active > 0) {
		count = epoll_wait(run->epoll_fd, events, EVENTS_MAX, SILENCE_MS);
		if (count == 0)
			fail("the daemon gave no reply within %d s", SILENCE_MS / 1000);
		if (count < 0 && errno != EINTR)
			fail_errno("epoll_wait");
		for (i = 0; i < count; i++)
			handle_event(run, events[i].data.ptr);
	}
}

void run_clients(const struct run_options *options, struct run_result *result)
{
	struct run run = {.options = options, .result = result, .active = options->clients};
	struct client *clients;
	uint64_t started_ns;
	unsigned i;

	*result = (struct run_result){0};
	run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (run.epoll_fd < 0)
		fail_errno("epoll_create1");
	clients = open_clients(&run);
	started_ns = now_ns();
	run.deadline_ns = options->duration_ns ? started_ns + options->duration_ns : 0;
	for (i = 0; i < options->clients; i++)
		send_next(&run, &clients[i]);
	loop(&run);
	result->elapsed_ns = options->duration_ns ? options->duration_ns : now_ns() - started_ns;
	close(run.epoll_fd);
	free(clients);
}
