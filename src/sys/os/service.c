#include "sys/os/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static enum status address_of(const char *name, struct sockaddr_un *ret_address, socklen_t *ret_size) {
    size_t size = strlen(name);
    bool is_abstract = name[0] == '@';
    if ((name[0] != '/' && !is_abstract) || size < 2 || size >= sizeof ret_address->sun_path)
        return STATUS_INVALID;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, name, size);
    if (is_abstract)
        ret_address->sun_path[0] = 0;
    /* The name of an abstract socket is its bytes and ends with the last of them; that of a file ends with a zero. */
    *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + !is_abstract);
    return STATUS_OK;
}

static enum status send_to(const char *name, const char *text) {
    struct sockaddr_un address;
    socklen_t size;
    TRY(address_of(name, &address, &size));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IO;
    struct timeval wait = {.tv_sec = SERVICE_WAIT_S};
    ssize_t sent = -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0)
        do
            sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
        while (sent < 0 && errno == EINTR);
    int error = errno;
    close(fd);
    errno = error;
    return sent < 0 ? STATUS_IO : STATUS_OK;
}

enum status service_tell(const char *format, ...) {
    const char *name = secure_getenv("NOTIFY_SOCKET");
    if (!name || !*name)
        return STATUS_OK;
    char text[SERVICE_TEXT_MAX + 1];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return send_to(name, text);
}

enum status service_tell_reloading(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    return service_tell("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_us);
}
