/* sanlock's daemon raises its limits and locks its memory, and ends when it may not. Tests run it where it may not. */
#include <sys/mman.h>
#include <sys/resource.h>

int setrlimit(int resource, const struct rlimit *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

int mlockall(int flags)
{
	(void)flags;
	return 0;
}
