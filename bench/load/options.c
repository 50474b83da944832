#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

static const char help_text[] =
	"usage: load --scenario NAME --socket PATH [options]\n"
	"Drives a lvmlockd in test mode with -g dlm and prints one line of JSON.\n"
	"  prepare    start --vgs lockspaces; lock --lvs LVs of the first VG persistently\n"
	"  vg         --clients lock and unlock their VG of --vgs in --mode for --seconds\n"
	"  cycle      --clients connect, say hello, lock, unlock and close for --seconds\n"
	"  lv-lock    --clients lock --lvs LVs of the first VG persistently, once\n"
	"  lv-unlock  --clients unlock them, once\n"
	"  info       ask for info and read its datagrams over and over for --seconds\n"
	"  startup    start the command after -- and tell when it answers its first hello\n"
	"options: --daemon-pid N (whose CPU time is read) --mode sh|ex --clients N --vgs N --lvs N --seconds S\n"
	"  --warmup S (the same load, unmeasured, first) --idle N (connections that do nothing) --one-write\n";

enum { SCENARIO = 1, SOCKET, DAEMON_PID, MODE, CLIENTS, VGS, LVS, IDLE, SECONDS, WARMUP, ONE_WRITE, HELP };

static const struct option long_options[] = {
	{"scenario", required_argument, NULL, SCENARIO},
	{"socket", required_argument, NULL, SOCKET},
	{"daemon-pid", required_argument, NULL, DAEMON_PID},
	{"mode", required_argument, NULL, MODE},
	{"clients", required_argument, NULL, CLIENTS},
	{"vgs", required_argument, NULL, VGS},
	{"lvs", required_argument, NULL, LVS},
	{"idle", required_argument, NULL, IDLE},
	{"seconds", required_argument, NULL, SECONDS},
	{"warmup", required_argument, NULL, WARMUP},
	{"one-write", no_argument, NULL, ONE_WRITE},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

static unsigned parse_count(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *text == '-' || *end != '\0' || value < min || value > max)
		fail("'%s' is not a number from %u to %u", text, min, max);
	return (unsigned)value;
}

static double parse_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(value >= 0 && value <= 3600))
		fail("'%s' is not a number of seconds", text);
	return value;
}

static const char *parse_mode(const char *text)
{
	if (strcmp(text, "sh") != 0 && strcmp(text, "ex") != 0)
		fail("the mode is sh or ex, not '%s'", text);
	return text;
}

static void apply(struct options *options, int option)
{
	switch (option) {
	case SCENARIO: options->scenario = optarg; break;
	case SOCKET: options->socket_path = optarg; break;
	case DAEMON_PID: options->daemon_pid = (pid_t)parse_count(optarg, 1, 1u << 30); break;
	case MODE: options->mode = parse_mode(optarg); break;
	case CLIENTS: options->clients = parse_count(optarg, 1, 100000); break;
	case VGS: options->vgs = parse_count(optarg, 1, 10000); break;
	case LVS: options->lvs = parse_count(optarg, 0, 1000000); break;
	case IDLE: options->idle = parse_count(optarg, 0, 100000); break;
	case SECONDS: options->seconds = parse_seconds(optarg); break;
	case WARMUP: options->warmup_seconds = parse_seconds(optarg); break;
	case ONE_WRITE: options->one_write = true; break;
	case HELP: fputs(help_text, stdout); exit(0);
	default: fputs(help_text, stderr); exit(2);
	}
}

struct options parse_options(int argc, char **argv)
{
	struct options options = {.mode = "sh", .clients = 1, .vgs = 1, .seconds = 1};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		apply(&options, option);
	if (!options.scenario || !options.socket_path)
		fail("--scenario and --socket are needed; --help tells more");
	options.command = argv + optind;
	return options;
}
