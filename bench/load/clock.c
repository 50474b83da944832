#include "clock.h"

#include <time.h>

#include "fail.h"

static uint64_t read_ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		fail_errno("reading a clock");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

/*
 * The kernel's process clock counts in nanoseconds and keeps the time of threads that have ended; /proc/PID/stat counts in
 * ticks of 10 ms, and /proc/PID/task loses a thread's time when it ends.
 */
uint64_t process_cpu_ns(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		fail("there is no process %d to measure", (int)pid);
	return read_ns(clock);
}
