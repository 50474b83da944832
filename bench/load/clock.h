#ifndef LOAD_CLOCK_H
#define LOAD_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

/* Monotonic time in nanoseconds. */
uint64_t now_ns(void);

/* CPU time that a process has used so far, all threads, user and system, in nanoseconds. Ends the program if it is gone. */
uint64_t process_cpu_ns(pid_t pid);

#endif
