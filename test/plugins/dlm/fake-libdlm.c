/* A libdlm_lt that grants what it is asked for, and remembers the arguments: results come through a pipe, as from the kernel. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct lksb { int status; uint32_t lkid; char flags; char *lvb; };
struct result { struct lksb *lksb; void (*ast)(void *); void *arg; };

static int ends[2];
static char seen[256];

const char *fake_seen(void) { return seen; }
void *fake_open(void) { return pipe(ends) == 0 ? &ends : NULL; }

int dlm_kernel_version(uint32_t *major, uint32_t *minor, uint32_t *patch)
{
	*major = 6; *minor = 0; *patch = 2;
	return 0;
}

static int answer_later(struct lksb *lksb, void (*ast)(void *), void *arg)
{
	struct result result = { lksb, ast, arg };
	return write(ends[1], &result, sizeof(result)) == sizeof(result) ? 0 : -1;
}

int dlm_ls_lock(void *ls, uint32_t mode, struct lksb *lksb, uint32_t flags, const void *name, unsigned len,
		uint32_t parent, void (*ast)(void *), void *arg, void (*bast)(void *), void *range)
{
	snprintf(seen, sizeof(seen), "lock mode=%u flags=%x name=%.*s len=%u parent=%u lkid=%u lvb0=%d range=%d bast=%d", mode, flags,
		 (int)len, (const char *)name, len, parent, lksb->lkid, lksb->lvb[0], range != NULL, bast != NULL);
	if (mode == 0xbad) { errno = EINVAL; return -1; }
	if (lksb->lkid == 0) lksb->lkid = 7;
	return answer_later(lksb, ast, arg);
}

int dlm_ls_lockx(void *ls, uint32_t mode, struct lksb *lksb, uint32_t flags, const void *name, unsigned len,
		 uint32_t parent, void (*ast)(void *), void *arg, void (*bast)(void *), uint64_t *xid, uint64_t *timeout)
{
	snprintf(seen, sizeof(seen), "lockx mode=%u flags=%x name=%.*s ast=%d xid=%d timeout=%d", mode, flags, (int)len,
		 (const char *)name, ast != NULL, xid != NULL, timeout != NULL);
	errno = ENOENT;
	if (mode != 5) return -1;
	lksb->lkid = 9;
	return 0;
}

int dlm_ls_unlock(void *ls, uint32_t lkid, uint32_t flags, struct lksb *lksb, void *arg)
{
	snprintf(seen, sizeof(seen), "unlock lkid=%u flags=%x", lkid, flags);
	return answer_later(lksb, NULL, arg);
}

int dlm_ls_purge(void *ls, int nodeid, int pid)
{
	snprintf(seen, sizeof(seen), "purge nodeid=%d pid=%d", nodeid, pid);
	return 0;
}

int dlm_ls_get_fd(void *ls) { return ends[0]; }

int dlm_dispatch(int fd)
{
	struct result result;
	if (read(fd, &result, sizeof(result)) != sizeof(result)) return -1;
	result.lksb->status = result.ast ? 0 : 0x10002;
	result.lksb->flags = 2;
	memcpy(result.lksb->lvb, "from-the-kernel", 16);
	if (result.ast) result.ast(result.arg);
	return 0;
}
