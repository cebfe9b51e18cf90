/* sys/os/service.h: what the program tells the service manager that has started it.
 *
 * One datagram for each message, to the socket that NOTIFY_SOCKET in the environment names: a path, or `@NAME` for an abstract
 * one. That is the protocol of sd_notify(3), which systemd and supervisors of containers speak. A message is lines NAME=VALUE:
 *
 *     service_tell("READY=1\nSTATUS=Serving on port %u", port);
 *
 * Threads: any, as long as nobody changes the environment.
 * Time:    waits for a manager that does not read for SERVICE_WAIT_S at most.
 * Errors:  STATUS_OK also if no manager asks to be told; STATUS_INVALID for a socket's name that means nothing; STATUS_IO with
 *          errno if the message did not get there.
 */
#ifndef STRATA_SYS_OS_SERVICE_H
#define STRATA_SYS_OS_SERVICE_H

#include "base/status.h"

/* Longer messages are cut. */
enum { SERVICE_TEXT_MAX = 511, SERVICE_WAIT_S = 2 };

enum status service_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time, which is how a manager knows that its own request is meant. READY=1 ends it. */
enum status service_tell_reloading(void);

#endif
