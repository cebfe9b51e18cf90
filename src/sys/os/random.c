#include "sys/os/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

void random_bytes(void *ret_bytes, size_t size) {
    uint8_t *bytes = ret_bytes;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        bytes += got;
        size -= (size_t)got;
    }
}
