#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fail.h"

static struct request build(bool must_succeed, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct request build(bool must_succeed, const char *format, ...)
{
	struct request request;
	char *bytes;
	va_list args;
	int size;

	va_start(args, format);
	size = vasprintf(&bytes, format, args);
	va_end(args);
	if (size < 0)
		fail("out of memory");
	request.bytes = bytes;
	request.size = (size_t)size;
	request.must_succeed = must_succeed;
	return request;
}

struct request request_hello(void)
{
	return build(false, "request = \"hello\"\n" TERMINATOR);
}

struct request request_info(void)
{
	return build(false, "request = \"info\"\n" TERMINATOR);
}

struct request request_start_vg(const char *vg_name, unsigned index)
{
	return build(true,
		     "request=\"start_vg\"\npid =%d\nvg_name =\"%s\"\nvg_lock_type =\"dlm\"\n"
		     "vg_lock_args =\"1.0.0:test\"\nvg_uuid =\"bench0-vgrp-uuid-0000-0000-0000-%06u\"\n"
		     "version =1\nhost_id =0\nopts =\"none\"\n" TERMINATOR,
		     (int)getpid(), vg_name, index);
}

struct request request_start_wait(void)
{
	return build(true, "request=\"start_wait\"\npid =%d\n" TERMINATOR, (int)getpid());
}

struct request request_lock_vg(const char *vg_name, const char *mode)
{
	return build(true,
		     "request=\"lock_vg\"\ncmd =\"bench\"\npid =%d\nmode =\"%s\"\nopts =\"none\"\nvg_name =\"%s\"\n"
		     "vg_lock_type =\"none\"\nvg_lock_args =\"none\"\n" TERMINATOR,
		     (int)getpid(), mode, vg_name);
}

struct request request_lock_lv(const char *vg_name, unsigned lv_index, const char *mode)
{
	return build(true,
		     "request=\"lock_lv\"\ncmd =\"bench\"\npid =%d\nmode =\"%s\"\nopts =\"persistent\"\nvg_name =\"%s\"\n"
		     "lv_name =\"lvol%u\"\nlv_uuid =\"bench0-lvol-uuid-0000-0000-0000-%06u\"\nvg_lock_type =\"dlm\"\n"
		     "vg_lock_args =\"1.0.0:test\"\nlv_lock_args =\"dlm\"\n" TERMINATOR,
		     (int)getpid(), mode, vg_name, lv_index, lv_index);
}

bool reply_is_complete(const char *reply, size_t size)
{
	return size >= TERMINATOR_SIZE && memcmp(reply + size - TERMINATOR_SIZE, TERMINATOR, TERMINATOR_SIZE) == 0;
}

bool reply_is_success(const char *reply, size_t size)
{
	static const char wanted[] = "\nop_result = 0\n";

	return memmem(reply, size, wanted, sizeof(wanted) - 1) != NULL;
}

int connect_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("creating a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		fail("the socket path is too long: %s", path);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail_errno(path);
	return fd;
}

static bool send_all(int fd, const char *bytes, size_t size)
{
	ssize_t sent;

	while (size > 0) {
		sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
	}
	return true;
}

void fail_sending(int fd, const struct request *request)
{
	int error = errno;
	char said[REPLY_SIZE_MAX];
	ssize_t got = recv(fd, said, sizeof(said), MSG_DONTWAIT);

	fail("sending %.*s: %s; the daemon said: %.*s", (int)request->size, request->bytes, strerror(error),
	     got > 0 ? (int)got : 0, said);
}

bool send_request(int fd, const struct request *request, bool one_write)
{
	size_t body_size = request->size - TERMINATOR_SIZE;

	if (one_write)
		return send_all(fd, request->bytes, request->size);
	return send_all(fd, request->bytes, body_size) && send_all(fd, request->bytes + body_size, TERMINATOR_SIZE);
}

size_t call(int fd, const struct request *request, char *reply)
{
	size_t size = 0;
	ssize_t got;

	if (!send_request(fd, request, false))
		fail_sending(fd, request);
	do {
		got = recv(fd, reply + size, REPLY_SIZE_MAX - 1 - size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("the daemon closed the connection after %.*s", (int)request->size, request->bytes);
		size += (size_t)got;
	} while (!reply_is_complete(reply, size));
	reply[size] = '\0';
	return size;
}

void must_call(int fd, const struct request *request)
{
	char reply[REPLY_SIZE_MAX];
	size_t size = call(fd, request, reply);

	if (request->must_succeed && !reply_is_success(reply, size))
		fail("refused: %.*s answered with %s", (int)request->size, request->bytes, reply);
}
