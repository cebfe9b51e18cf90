#include "app/cmd/gone.h"

const char *miss_cause_name(enum miss_cause cause) {
    static const char *const names[MISS_CAUSES] = {
        [MISS_NEVER] = "never_there", [MISS_EXPIRED] = "expired",         [MISS_EVICTED] = "evicted",
        [MISS_DELETED] = "deleted",   [MISS_INVALIDATED] = "invalidated", [MISS_FLUSHED] = "flushed",
        [MISS_NOTHING] = "nothing",   [MISS_FILTERED] = "filtered"};
    return names[cause];
}

const char *cause_trigger_word(enum cause_trigger trigger) {
    static const char *const words[CAUSE_TRIGGERS] = {
        [CAUSE_NONE] = "command", [CAUSE_WRITE] = "key",       [CAUSE_KEY] = "key",     [CAUSE_TAG] = "tag",
        [CAUSE_CLASS] = "class",  [CAUSE_PATTERN] = "pattern", [CAUSE_EVENT] = "event", [CAUSE_EXPRESSION] = "regex"};
    return words[trigger];
}
