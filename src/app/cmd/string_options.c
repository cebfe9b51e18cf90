#include "app/cmd/string_options.h"

#include "app/cmd/value.h"
#include "app/cmd/version.h"
#include "base/bits.h"
#include "core/classes/names.h"

/* `excludes`: words that may not stand beside this one. */
static const struct option {
    const char *word;
    uint32_t flag, excludes;
    bool has_argument;
} known[] = {
    {"ex", OPTION_EX, OPTIONS_TIME & ~OPTION_EX, true},
    {"px", OPTION_PX, OPTIONS_TIME & ~OPTION_PX, true},
    {"exat", OPTION_EXAT, OPTIONS_TIME & ~OPTION_EXAT, true},
    {"pxat", OPTION_PXAT, OPTIONS_TIME & ~OPTION_PXAT, true},
    {"keepttl", OPTION_KEEPTTL, OPTIONS_TIME & ~OPTION_KEEPTTL, false},
    {"persist", OPTION_PERSIST, OPTIONS_TIME & ~OPTION_PERSIST, false},
    {"nx", OPTION_NX, OPTIONS_CONDITION & ~OPTION_NX, false},
    {"xx", OPTION_XX, OPTIONS_CONDITION & ~OPTION_XX, false},
    {"version", OPTION_VERSION, OPTION_IFNEWER | OPTION_NEGATIVE, true},
    {"ifversion", OPTION_IFVERSION, OPTIONS_CONDITION | OPTION_NEGATIVE, true},
    {"ifnewer", OPTION_IFNEWER, OPTIONS_CONDITION | OPTION_VERSION | OPTION_NEGATIVE, true},
    {"ifeq", OPTION_IFEQ, OPTIONS_CONDITION, true},
    {"get", OPTION_GET, 0, false},
    {"tags", OPTION_TAGS, 0, true},
    {"negative", OPTION_NEGATIVE, OPTIONS_VERSION, false},
    {"stale", OPTION_STALE, OPTION_STALE, true},
};

static const struct option *find(struct cmd_call *call, uint32_t at, uint32_t allowed) {
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if ((known[i].flag & allowed) && cmd_is(call, at, known[i].word))
            return &known[i];
    return NULL;
}

bool string_options_check_tags(struct cmd_call *call, uint32_t at, uint32_t count) {
    size_t most = cache_tag_name_max(call->env->cache);
    for (uint32_t i = 0; i < count; i++)
        if (call->argv[at + i].size == 0 || call->argv[at + i].size > most) {
            reply_errorf(call->reply, "ERR a tag has 1 to %zu bytes", most);
            return false;
        } else if (classes_is_marked(call->argv[at + i])) {
            reply_error(call->reply,
                        SLICE("ERR a tag does not begin with one of " CLASSES_MARKS ", as those of rules do"));
            return false;
        }
    return true;
}

/* TAGS numtags tag [tag ...]; `at`: the number. */
static bool read_tags(struct cmd_call *call, uint32_t at, struct string_options *options) {
    int64_t count;
    if (!cmd_integer(call, at, &count))
        return false;
    if (count < 1 || count > CACHE_TAGS_MAX) {
        reply_errorf(call->reply, "ERR numtags must be 1 to %d", CACHE_TAGS_MAX);
        return false;
    }
    if ((uint64_t)count > call->argc - at - 1) {
        reply_error(call->reply, SLICE("ERR fewer tags than numtags says"));
        return false;
    }
    options->tags_at = at + 1;
    options->tag_count = (uint32_t)count;
    return string_options_check_tags(call, at + 1, (uint32_t)count);
}

/* The number behind one of OPTIONS_VERSION. */
static bool read_version(struct cmd_call *call, uint32_t at, uint32_t flag, struct string_options *options) {
    int64_t number;
    if (!cmd_integer(call, at, &number))
        return false;
    if (flag == OPTION_IFVERSION) {
        options->expected = number;
        return true;
    }
    if (number < 1) {
        reply_error(call->reply, SLICE("ERR a version that is given is 1 to 9223372036854775807"));
        return false;
    }
    options->row = (uint64_t)number;
    return true;
}

bool string_options_guard(const struct string_options *options, const struct cache_edit *edit) {
    /* What is stale is no entry, but its version is still known: the same may come back, an older one may not. */
    if (options->flags & OPTION_IFNEWER)
        return !(edit->found && edit->row >= options->row) && !(edit->stale && edit->row > options->row);
    if (!(options->flags & OPTION_IFVERSION))
        return true;
    if (!edit->found)
        return options->expected == 0;
    return options->expected != 0 && version_shown(edit->row, edit->version) == options->expected;
}

static bool read_stale(struct cmd_call *call, uint32_t at, struct string_options *options) {
    int64_t ms;
    if (!cmd_integer(call, at, &ms))
        return false;
    if (ms < 1 || ms > OPTION_STALE_MS_MAX) {
        reply_errorf(call->reply, "ERR STALE takes 1 to %d milliseconds", OPTION_STALE_MS_MAX);
        return false;
    }
    options->stale_ms = (uint32_t)ms;
    return true;
}

bool string_options_read(struct cmd_call *call, uint32_t at, uint32_t allowed, struct string_options *ret_options) {
    struct string_options options = {0};
    for (; at < call->argc; at++) {
        const struct option *option = find(call, at, allowed);
        if (!option || (options.flags & option->excludes) || (option->has_argument && at + 1 == call->argc)) {
            cmd_error_syntax(call);
            return false;
        }
        options.flags |= option->flag;
        if (option->flag == OPTION_TAGS) {
            if (!read_tags(call, at + 1, &options))
                return false;
            at += 1 + options.tag_count;
        } else if (option->flag & OPTIONS_VERSION) {
            if (!read_version(call, ++at, option->flag, &options))
                return false;
        } else if (option->flag == OPTION_STALE) {
            if (!read_stale(call, ++at, &options))
                return false;
        } else if (option->has_argument) {
            *(option->flag == OPTION_IFEQ ? &options.compare_at : &options.expiry_at) = ++at;
        }
    }
    *ret_options = options;
    return true;
}

bool string_options_expiry(struct cmd_call *call, const struct string_options *options, uint64_t *ret_expires_at_ms) {
    if (!(options->flags & OPTIONS_EXPIRY)) {
        *ret_expires_at_ms = 0;
        return true;
    }
    bool seconds = options->flags & (OPTION_EX | OPTION_EXAT);
    bool relative = options->flags & (OPTION_EX | OPTION_PX);
    return value_expiry(call, options->expiry_at, seconds, relative, ret_expires_at_ms);
}
