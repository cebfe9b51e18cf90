#include "app/cmd/string_options.h"

#include <stdio.h>

#include "app/cmd/value.h"
#include "app/cmd/version.h"
#include "app/cmd/words.h"
#include "base/bits.h"
#include "core/classes/names.h"

enum { LIST_SIZE_MAX = 256 };

/* `excludes`: words that may not stand beside this one. `takes`: what follows it; NULL: nothing. */
static const struct option {
    const char *word;
    uint32_t flag, excludes;
    const char *takes;
} known[] = {
    {"ex", OPTION_EX, OPTIONS_TIME & ~OPTION_EX, "seconds"},
    {"px", OPTION_PX, OPTIONS_TIME & ~OPTION_PX, "milliseconds"},
    {"exat", OPTION_EXAT, OPTIONS_TIME & ~OPTION_EXAT, "a Unix time in seconds"},
    {"pxat", OPTION_PXAT, OPTIONS_TIME & ~OPTION_PXAT, "a Unix time in milliseconds"},
    {"keepttl", OPTION_KEEPTTL, OPTIONS_TIME & ~OPTION_KEEPTTL, NULL},
    {"persist", OPTION_PERSIST, OPTIONS_TIME & ~OPTION_PERSIST, NULL},
    {"nx", OPTION_NX, OPTIONS_CONDITION & ~OPTION_NX, NULL},
    {"xx", OPTION_XX, OPTIONS_CONDITION & ~OPTION_XX, NULL},
    {"version", OPTION_VERSION, OPTION_IFNEWER | OPTION_NEGATIVE, "a version"},
    {"ifversion", OPTION_IFVERSION, OPTIONS_CONDITION | OPTION_NEGATIVE, "a version"},
    {"ifnewer", OPTION_IFNEWER, OPTIONS_CONDITION | OPTION_VERSION | OPTION_NEGATIVE, "a version"},
    {"ifeq", OPTION_IFEQ, OPTIONS_CONDITION, "a value"},
    {"get", OPTION_GET, 0, NULL},
    {"tags", OPTION_TAGS, 0, "how many tags follow"},
    {"negative", OPTION_NEGATIVE, OPTIONS_VERSION, NULL},
    {"stale", OPTION_STALE, OPTION_STALE, "milliseconds"},
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
    if (!words_number(call, at, 1, CACHE_TAGS_MAX, " and as many tags behind it", &count))
        return false;
    if ((uint64_t)count > call->argc - at - 1) {
        reply_errorf(call->reply, "ERR TAGS says %lld tags, and there are %u behind it", (long long)count,
                     call->argc - at - 1);
        return false;
    }
    options->tags_at = at + 1;
    options->tag_count = (uint32_t)count;
    return string_options_check_tags(call, at + 1, (uint32_t)count);
}

/* The number behind one of OPTIONS_VERSION. */
static bool read_version(struct cmd_call *call, uint32_t at, uint32_t flag, struct string_options *options) {
    int64_t number;
    bool compares = flag == OPTION_IFVERSION;
    if (!words_number(call, at, compares ? INT64_MIN : 1, INT64_MAX, "", &number))
        return false;
    if (compares)
        options->expected = number;
    else
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
    if (!words_number(call, at, 1, OPTION_STALE_MS_MAX, " milliseconds", &ms))
        return false;
    options->stale_ms = (uint32_t)ms;
    return true;
}

static size_t add_word(char *text, size_t size, const char *before, const char *word) {
    size += (size_t)snprintf(text + size, LIST_SIZE_MAX - size, "%s", before);
    for (; *word && size + 1 < LIST_SIZE_MAX; word++)
        text[size++] = (char)(*word & ~0x20);
    text[size] = 0;
    return size;
}

/* Whether what is wrong at a word is of Strata's own, and not as Redis would say it. */
static bool is_own(struct cmd_call *call, uint32_t at, uint32_t allowed, uint32_t flags) {
    static const char *const nearly[] = {"tag", "token", "soft", "reason", "negative", "stale"};
    const uint32_t own = OPTION_TAGS | OPTION_STALE | OPTION_NEGATIVE | OPTIONS_VERSION;
    const struct option *option = find(call, at, allowed);
    if (!(allowed & OPTION_TAGS))
        return false; /* nothing of the command is */
    for (size_t i = 0; i < COUNT_OF(nearly); i++)
        if (cmd_is(call, at, nearly[i]))
            return true;
    return (flags & own) || (allowed & OPTION_STALE) || (option && (option->flag & own));
}

/* Says what is wrong with the option at `at`. */
static bool refuse(struct cmd_call *call, uint32_t at, uint32_t allowed, const struct string_options *options) {
    const struct option *option = find(call, at, allowed);
    char list[LIST_SIZE_MAX];
    size_t size = 0;
    if (!is_own(call, at, allowed, options->flags)) {
        cmd_error_syntax(call);
        return false;
    }
    if (option && (options->flags & option->excludes & option->flag))
        return words_refuse_which(call, at, "stands there twice");
    if (option && !(options->flags & option->excludes))
        return words_refuse(call, at + 1, option->takes);
    if (!option && find(call, at, OPTION_STALE | OPTION_NEGATIVE))
        return words_refuse_which(call, at, "only CSET takes");
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (option && (known[i].flag & options->flags & option->excludes)) {
            add_word(list, 0, "does not go with ", known[i].word);
            return words_refuse_which(call, at, list);
        }
        if (known[i].flag & allowed)
            size = add_word(list, size, size ? ", " : "one of ", known[i].word);
    }
    if ((options->flags & OPTION_TAGS) && at == options->tags_at + options->tag_count)
        snprintf(list + size, sizeof list - size, ", or a larger number behind TAGS");
    return words_refuse(call, at, list);
}

bool string_options_read(struct cmd_call *call, uint32_t at, uint32_t allowed, struct string_options *ret_options) {
    struct string_options options = {0};
    for (; at < call->argc; at++) {
        const struct option *option = find(call, at, allowed);
        if (!option || (options.flags & option->excludes) || (option->takes && at + 1 == call->argc))
            return refuse(call, at, allowed, &options);
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
        } else if (option->takes) {
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
