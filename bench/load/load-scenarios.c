/* The closed-loop scenarios: what their clients send, and what is told about a run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "fail.h"
#include "scenarios.h"

#define VG_NAME_SIZE 16
/* LVs of the unmeasured rounds: far above those of a run, so that they never meet. */
#define WARMUP_LV_BASE 900000u

static void name_vg(char *name, unsigned index)
{
	snprintf(name, VG_NAME_SIZE, "bench%u", index);
}

void run_prepare(const struct options *options)
{
	int fd = connect_socket(options->socket_path);
	struct request request = request_hello();
	char vg_name[VG_NAME_SIZE];
	unsigned i;

	must_call(fd, &request);
	for (i = 0; i < options->vgs; i++) {
		name_vg(vg_name, i);
		request = request_start_vg(vg_name, i);
		must_call(fd, &request);
	}
	request = request_start_wait();
	must_call(fd, &request);
	name_vg(vg_name, 0);
	for (i = 0; i < options->lvs; i++) {
		request = request_lock_lv(vg_name, i, "ex");
		must_call(fd, &request);
	}
	close(fd);
	printf("{\"scenario\":\"prepare\",\"lockspaces\":%u,\"lv_locks\":%u}\n", options->vgs, options->lvs);
}

static struct program lock_unlock_program(const struct options *options, unsigned client, bool reconnects)
{
	struct request *requests = must_alloc(3, sizeof(*requests));
	struct request *next = requests;
	char vg_name[VG_NAME_SIZE];

	name_vg(vg_name, client % options->vgs);
	if (reconnects)
		*next++ = request_hello();
	*next++ = request_lock_vg(vg_name, options->mode);
	*next++ = request_lock_vg(vg_name, "un");
	return (struct program){.requests = requests, .count = (unsigned)(next - requests), .reconnects = reconnects};
}

static struct program lv_program(const struct options *options, unsigned client, const char *mode)
{
	unsigned first = (unsigned)((uint64_t)options->lvs * client / options->clients);
	unsigned end = (unsigned)((uint64_t)options->lvs * (client + 1) / options->clients);
	struct request *requests = must_alloc(end - first, sizeof(*requests));
	char vg_name[VG_NAME_SIZE];
	unsigned i;

	if (end == first)
		fail("--lvs must be at least --clients");
	name_vg(vg_name, 0);
	for (i = first; i < end; i++)
		requests[i - first] = request_lock_lv(vg_name, i, mode);
	return (struct program){.requests = requests, .count = end - first};
}

/* An LV locked and unlocked by turns, so that a run over LVs meets a daemon whose code for them is warm, and no lock more. */
static struct program warmup_lv_program(unsigned client)
{
	struct request *requests = must_alloc(2, sizeof(*requests));
	char vg_name[VG_NAME_SIZE];

	name_vg(vg_name, 0);
	requests[0] = request_lock_lv(vg_name, WARMUP_LV_BASE + client, "ex");
	requests[1] = request_lock_lv(vg_name, WARMUP_LV_BASE + client, "un");
	return (struct program){.requests = requests, .count = 2};
}

static bool is_lv_scenario(const char *scenario)
{
	return strcmp(scenario, "lv-lock") == 0 || strcmp(scenario, "lv-unlock") == 0;
}

static struct program program_of(const struct options *options, unsigned client)
{
	if (strcmp(options->scenario, "vg") == 0)
		return lock_unlock_program(options, client, false);
	if (strcmp(options->scenario, "cycle") == 0)
		return lock_unlock_program(options, client, true);
	if (strcmp(options->scenario, "lv-lock") == 0)
		return lv_program(options, client, "ex");
	if (strcmp(options->scenario, "lv-unlock") == 0)
		return lv_program(options, client, "un");
	fail("there is no scenario '%s'; --help lists them", options->scenario);
}

static void open_idle_connections(const struct options *options)
{
	struct request hello = request_hello();
	unsigned i;

	for (i = 0; i < options->idle; i++)
		must_call(connect_socket(options->socket_path), &hello);
}

static void warm_up(const struct options *options, struct program *programs, struct run_options *run, struct run_result *result)
{
	struct program *warmup = programs;
	unsigned i;

	if (options->warmup_seconds <= 0)
		return;
	if (is_lv_scenario(options->scenario)) {
		warmup = must_alloc(options->clients, sizeof(*warmup));
		for (i = 0; i < options->clients; i++)
			warmup[i] = warmup_lv_program(i);
	}
	run->programs = warmup;
	run->duration_ns = (uint64_t)(options->warmup_seconds * 1e9);
	run_clients(run, result);
}

static void print_result(const struct options *options, const struct run_result *result, uint64_t cpu_ns)
{
	double elapsed_s = (double)result->elapsed_ns / 1e9;

	printf("{\"scenario\":\"%s\",\"clients\":%u,\"requests\":%" PRIu64 ",\"passes\":%" PRIu64 ",\"elapsed_s\":%.6f,"
	       "\"requests_per_s\":%.1f,\"cpu_per_request_us\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
	       options->scenario, options->clients, result->requests, result->passes, elapsed_s,
	       (double)result->requests / elapsed_s, (double)cpu_ns / 1e3 / (double)result->latency.total,
	       (double)histogram_percentile(&result->latency, 0.5) / 1e3,
	       (double)histogram_percentile(&result->latency, 0.99) / 1e3, (double)result->latency.max / 1e3);
}

void run_load(const struct options *options)
{
	struct program *programs = must_alloc(options->clients, sizeof(*programs));
	struct run_options run = {
		.socket_path = options->socket_path, .clients = options->clients, .one_write = options->one_write};
	struct run_result *result = must_alloc(1, sizeof(*result));
	uint64_t cpu_ns = 0;
	unsigned i;

	for (i = 0; i < options->clients; i++)
		programs[i] = program_of(options, i);
	open_idle_connections(options);
	warm_up(options, programs, &run, result);
	run.programs = programs;
	run.duration_ns = is_lv_scenario(options->scenario) ? 0 : (uint64_t)(options->seconds * 1e9);
	if (options->daemon_pid)
		cpu_ns = process_cpu_ns(options->daemon_pid);
	run_clients(&run, result);
	if (options->daemon_pid)
		cpu_ns = process_cpu_ns(options->daemon_pid) - cpu_ns;
	print_result(options, result, cpu_ns);
}
