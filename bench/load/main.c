/* The load generator of the benchmarks: see options.c for what it can do. */
#include <string.h>

#include "options.h"
#include "scenarios.h"

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);

	if (strcmp(options.scenario, "prepare") == 0)
		run_prepare(&options);
	else if (strcmp(options.scenario, "info") == 0)
		run_info_loop(&options);
	else if (strcmp(options.scenario, "startup") == 0)
		run_startup(&options);
	else
		run_load(&options);
	return 0;
}
