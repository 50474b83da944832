#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

/* The command line; main.c describes each option in its help text. */
struct options {
	const char *scenario;
	const char *socket_path;
	pid_t daemon_pid;
	const char *mode;
	unsigned clients;
	unsigned vgs;
	unsigned lvs;
	unsigned idle;
	double seconds;
	double warmup_seconds;
	bool one_write;
	/* What follows "--": the daemon's command line for the startup scenario, NULL-terminated. */
	char **command;
};

/* Parses argv; ends the program with the help text or with a message about a wrong option. */
struct options parse_options(int argc, char **argv);

#endif
