#ifndef LOAD_ENGINE_H
#define LOAD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "wire.h"

/* What one client sends, one request after the other's reply. */
struct program {
	const struct request *requests;
	unsigned count;
	/* Each pass runs on a new connection: connect, requests, close. Otherwise the client connects once and says hello first. */
	bool reconnects;
};

struct run_options {
	const char *socket_path;
	/* The programs, one for each client. */
	const struct program *programs;
	unsigned clients;
	/* The run ends after this time, or after every client's first pass if it is 0. A begun pass is finished in any case. */
	uint64_t duration_ns;
	/* Requests leave in one write instead of libdaemon's two. */
	bool one_write;
};

struct run_result {
	/* Replies and finished passes within the run's time, and that time. */
	uint64_t requests;
	uint64_t passes;
	uint64_t elapsed_ns;
	/* Time from a request to its reply, of every request sent, also those answered after the end. */
	struct histogram latency;
};

/* Runs closed-loop clients over one epoll loop. Ends the program when the daemon refuses, hangs up or stays silent. */
void run_clients(const struct run_options *options, struct run_result *result);

#endif
