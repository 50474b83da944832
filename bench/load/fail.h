#ifndef LOAD_FAIL_H
#define LOAD_FAIL_H

#include <stddef.h>

/* Prints "load: <message>" to stderr and exits 1. fail_errno adds the cause that errno names. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail_errno(const char *what);

/* Memory or the end of the program. */
void *must_alloc(size_t count, size_t size);

#endif
