#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>

/* One request, ready to send. The body and its terminator are kept apart: libdaemon's clients write them one after the other. */
struct request {
	const char *bytes;
	size_t size;
	/* A refusal of this request is an error of the run. hello has no op_result to look at. */
	bool must_succeed;
};

#define TERMINATOR "\n##\n"
#define TERMINATOR_SIZE 4u
#define REPLY_SIZE_MAX 1024u

/* Requests as lvm's commands word them; they live as long as the program. mode: "sh", "ex" or "un". */
struct request request_hello(void);
struct request request_info(void);
struct request request_start_vg(const char *vg_name, unsigned index);
struct request request_start_wait(void);
struct request request_lock_vg(const char *vg_name, const char *mode);
struct request request_lock_lv(const char *vg_name, unsigned lv_index, const char *mode);

/* True when size bytes end in the terminator. */
bool reply_is_complete(const char *reply, size_t size);

/* True when the reply says op_result = 0. */
bool reply_is_success(const char *reply, size_t size);

/* A connected blocking socket, or the end of the program. */
int connect_socket(const char *path);

/* Writes one request in two parts, or in one when `one_write` is set. False when the connection is gone. */
bool send_request(int fd, const struct request *request, bool one_write);

/* Ends the program behind a send_request() that was false: with errno, and with what the daemon said before it hung up. */
_Noreturn void fail_sending(int fd, const struct request *request);

/* Sends one request and waits for its whole reply; returns the reply's size (NUL-terminated in `reply`, REPLY_SIZE_MAX). */
size_t call(int fd, const struct request *request, char *reply);

/* call() for set-up: ends the program when the request is refused. */
void must_call(int fd, const struct request *request);

#endif
