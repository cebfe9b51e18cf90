#include "base/status.h"

static const char *const texts[STATUS_COUNT] = {
    [STATUS_OK] = "ok",
    [STATUS_NO_MEMORY] = "out of memory",
    [STATUS_FULL] = "memory limit reached",
    [STATUS_TOO_LARGE] = "too large",
    [STATUS_INVALID] = "invalid",
    [STATUS_CORRUPT] = "corrupt",
    [STATUS_IO] = "input/output error",
    [STATUS_CLOSED] = "closed",
    [STATUS_AGAIN] = "try again",
    [STATUS_BUSY] = "busy",
};

const char *status_text(enum status status) {
    return (unsigned)status < STATUS_COUNT ? texts[status] : "unknown status";
}
