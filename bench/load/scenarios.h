#ifndef LOAD_SCENARIOS_H
#define LOAD_SCENARIOS_H

#include "options.h"

/* Each runs one scenario to its end and prints its line of JSON. */
void run_prepare(const struct options *options);
void run_load(const struct options *options);
void run_info_loop(const struct options *options);
void run_startup(const struct options *options);

#endif
