#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

/* 64 buckets per power of two: a percentile is exact to 1.6 %, the maximum is exact. */
#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t max;
};

void histogram_reset(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);

/* The value below or at which `share` (0..1) of all values lie; 0 for an empty histogram. */
uint64_t histogram_percentile(const struct histogram *h, double share);

#endif
