#include "histogram.h"

#include <math.h>
#include <string.h>

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)

/* Values below 64 have a bucket each; above, the highest set bit chooses the octave and the next six bits the bucket. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB_COUNT)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((value >> shift) - SUB_COUNT);
}

static uint64_t upper_end_of(unsigned bucket)
{
	unsigned octave = bucket >> HISTOGRAM_SUB_BITS;
	uint64_t sub = bucket & (SUB_COUNT - 1);

	if (octave == 0)
		return sub;
	return ((sub + SUB_COUNT + 1) << (octave - 1)) - 1;
}

void histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->counts[bucket_of(value)]++;
	h->total++;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_percentile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil((double)h->total * share);
	uint64_t seen = 0;
	uint64_t end;
	unsigned i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen >= wanted && seen > 0) {
			end = upper_end_of(i);
			return end < h->max ? end : h->max;
		}
	}
	return 0;
}
