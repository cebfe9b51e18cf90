#include "app/shell/syntax.h"

#include <stdio.h>

#include "app/cmd/spec_docs.h"
#include "app/shell/line_words.h"
#include "base/bits.h"

enum { WORDS_MAX = 256, ARGUMENTS_MAX = 64, NAME_MAX_SIZE = 64 };

/* What the prompt knows itself. */
static const char *const own_words[] = {"CLEAR", "CONNECT", "EXIT", "HELP"};

/* ------------------------------------------------------------------------------------------ lines */

/* Words by spaces: quotes are of no importance here. The last one may be empty: what comes next is being typed. */
struct typed {
    struct slice words[WORDS_MAX];
    size_t count;
};

static void read_typed(struct slice line, struct typed *ret_typed) {
    size_t from = 0;
    ret_typed->count = 0;
    while (from < line.size && line.data[from] == ' ')
        from++;
    for (size_t at = from; at <= line.size && ret_typed->count < WORDS_MAX; at++) {
        bool is_end = at == line.size;
        if (!is_end && line.data[at] != ' ')
            continue;
        if (at > from || is_end)
            ret_typed->words[ret_typed->count++] = slice_part(line, from, at - from);
        from = at + 1;
    }
}

/* The command that the first words name; `ret_words` of them. NULL: none yet. */
static const struct cmd_spec *find_command(const struct slice *words, size_t count, size_t *ret_words) {
    const struct cmd_spec *spec = count ? cmd_lookup(words[0]) : NULL;
    *ret_words = 1;
    if (!spec || spec->subcommand_count == 0 || count < 2)
        return spec;
    const struct cmd_spec *sub = cmd_lookup_sub(spec, words[1]);
    if (sub)
        *ret_words = 2;
    return sub ? sub : spec;
}

/* ------------------------------------------------------------------------------------------ completion */

static void offer(struct editor_words *words, struct slice typed, const char *word) {
    struct slice whole = slice_from_string(word);
    if (words->count == EDITOR_WORDS_MAX || whole.size < typed.size ||
        !slice_equal_nocase(slice_part(whole, 0, typed.size), typed))
        return;
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->list[i], word) == 0)
            return;
    words->list[words->count++] = word;
}

/* Names in the table are in lower case, and of subcommands with what they belong to. */
static const char *upper_name(const struct cmd_spec *spec) {
    static char names[EDITOR_WORDS_MAX][NAME_MAX_SIZE];
    char *name = names[spec->index % EDITOR_WORDS_MAX];
    size_t size = spec->last_name.size < NAME_MAX_SIZE - 1 ? spec->last_name.size : NAME_MAX_SIZE - 1;
    for (size_t i = 0; i < size; i++) {
        uint8_t letter = spec->last_name.data[i];
        name[i] = (char)(letter >= 'a' && letter <= 'z' ? letter - 0x20 : letter);
    }
    name[size] = 0;
    return name;
}

static void offer_commands(struct editor_words *words, struct slice typed) {
    for (uint32_t i = 0; i < cmd_table_count; i++)
        offer(words, typed, upper_name(&cmd_table[i]));
}

static void offer_tokens(struct editor_words *words, struct slice typed, const struct cmd_argument *list,
                         uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].token)
            offer(words, typed, list[i].token);
        offer_tokens(words, typed, list[i].children, list[i].child_count);
    }
}

void syntax_complete(struct slice line, struct editor_words *ret_words) {
    struct typed typed;
    size_t named;
    read_typed(line, &typed);
    const struct slice *words = typed.words;
    struct slice last = typed.count ? words[typed.count - 1] : SLICE("");
    bool helps = typed.count > 1 && slice_equal_nocase(words[0], SLICE("help"));
    ret_words->typed = last.size;
    ret_words->is_lower = (last.size ? last : words[0]).size && (last.size ? last : words[0]).data[0] >= 'a';
    if (helps) {
        words++;
        typed.count--;
    }
    if (typed.count <= 1) {
        offer_commands(ret_words, last);
        for (size_t i = 0; i < COUNT_OF(own_words) && !helps; i++)
            offer(ret_words, last, own_words[i]);
        return;
    }
    const struct cmd_spec *spec = find_command(words, typed.count - 1, &named);
    if (!spec)
        return;
    if (spec->subcommand_count && typed.count == 2)
        for (uint32_t i = 0; i < spec->subcommand_count; i++)
            offer(ret_words, last, upper_name(&spec->subcommands[i]));
    else if (!helps && typed.count > named && last.size) /* a key could be anything: tokens only when they are begun */
        offer_tokens(ret_words, last, spec->docs->arguments, spec->docs->argument_count);
}

/* ------------------------------------------------------------------------------------------ what is still to come */

static enum status put(struct buf *out, const char *text) { return buf_append(out, text, strlen(text)); }

static enum status put_argument(struct buf *out, const struct cmd_argument *argument);

static enum status put_core(struct buf *out, const struct cmd_argument *argument) {
    if (argument->token) {
        TRY(put(out, argument->token[0] ? argument->token : "\"\""));
        if (argument->type == CMD_ARGUMENT_PURE_TOKEN)
            return STATUS_OK;
        TRY(put(out, " "));
    }
    if (argument->type != CMD_ARGUMENT_ONEOF && argument->type != CMD_ARGUMENT_BLOCK)
        return put(out, argument->name);
    bool choice = argument->type == CMD_ARGUMENT_ONEOF, angles = choice && !(argument->flags & CMD_ARGUMENT_OPTIONAL);
    TRY(put(out, angles ? "<" : ""));
    for (uint32_t i = 0; i < argument->child_count; i++) {
        TRY(put(out, i == 0 ? "" : choice ? " | " : " "));
        TRY(put_argument(out, &argument->children[i]));
    }
    return put(out, angles ? ">" : "");
}

static enum status put_argument(struct buf *out, const struct cmd_argument *argument) {
    bool optional = argument->flags & CMD_ARGUMENT_OPTIONAL;
    TRY(put(out, optional ? "[" : ""));
    TRY(put_core(out, argument));
    if (argument->flags & CMD_ARGUMENT_MULTIPLE) {
        TRY(put(out, " ["));
        TRY(put_core(out, argument));
        TRY(put(out, " ...]"));
    }
    return put(out, optional ? "]" : "");
}

/* Whether the argument begins with this word; `ret_more` words follow that one. */
static bool begins(const struct cmd_argument *argument, struct slice word, size_t *ret_more);

/* Words that it takes at least, its token included. */
static size_t words_of(const struct cmd_argument *argument) {
    size_t count = argument->token ? 1 : 0;
    if (argument->type == CMD_ARGUMENT_PURE_TOKEN)
        return 1;
    if (argument->type != CMD_ARGUMENT_BLOCK)
        return count + 1;
    for (uint32_t i = 0; i < argument->child_count; i++)
        if (!(argument->children[i].flags & CMD_ARGUMENT_OPTIONAL))
            count += words_of(&argument->children[i]);
    return count;
}

static bool begins(const struct cmd_argument *argument, struct slice word, size_t *ret_more) {
    if (argument->token) {
        *ret_more = words_of(argument) - 1;
        return slice_equal_nocase(slice_from_string(argument->token), word);
    }
    if (argument->type == CMD_ARGUMENT_BLOCK && argument->child_count) {
        size_t more;
        if (!begins(&argument->children[0], word, &more))
            return false;
        *ret_more = words_of(argument) - 1;
        return true;
    }
    if (argument->type == CMD_ARGUMENT_ONEOF)
        for (uint32_t i = 0; i < argument->child_count; i++)
            if (begins(&argument->children[i], word, ret_more))
                return true;
    return false;
}

/* Its first word may be any. */
static bool takes_any(const struct cmd_argument *argument) {
    while (!argument->token && argument->type == CMD_ARGUMENT_BLOCK && argument->child_count)
        argument = argument->children;
    return !argument->token && argument->type != CMD_ARGUMENT_ONEOF && argument->type != CMD_ARGUMENT_BLOCK;
}

struct progress {
    bool used[ARGUMENTS_MAX];
    const struct cmd_argument *open; /* its values are being typed */
    size_t open_left;
};

/* The word goes to the argument that begins with it, or to the next that has to be there, or to one that may. */
static void take_word(const struct cmd_argument *list, uint32_t count, struct progress *progress, struct slice word) {
    uint32_t place = count;
    if (progress->open_left) {
        progress->open_left--;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t more;
        bool again = progress->used[i] && (list[i].flags & CMD_ARGUMENT_MULTIPLE);
        if ((!progress->used[i] || again) && begins(&list[i], word, &more)) {
            progress->used[i] = true;
            progress->open = &list[i];
            progress->open_left = more;
            return;
        }
        if (!progress->used[i] && !list[i].token && !(list[i].flags & CMD_ARGUMENT_OPTIONAL)) {
            place = i; /* nothing stands before it */
            break;
        }
    }
    for (uint32_t i = 0; i < count && place == count; i++)
        if (!progress->used[i] && takes_any(&list[i]))
            place = i;
    if (place == count)
        return;
    progress->used[place] = true;
    progress->open = &list[place];
    progress->open_left = words_of(&list[place]) - 1;
}

static enum status put_rest(struct buf *out, const struct cmd_argument *list, uint32_t count,
                            const struct progress *progress) {
    for (uint32_t i = 0; i < count; i++) {
        bool repeats = progress->used[i] && (list[i].flags & CMD_ARGUMENT_MULTIPLE) && progress->open == &list[i];
        if (progress->used[i] && !repeats)
            continue;
        TRY(put(out, " "));
        if (!repeats) {
            TRY(put_argument(out, &list[i]));
            continue;
        }
        TRY(put(out, "["));
        TRY(put_core(out, &list[i]));
        TRY(put(out, " ...]"));
    }
    return STATUS_OK;
}

enum status syntax_hint(struct slice line, struct buf *out) {
    struct typed typed;
    struct progress progress = {.open = NULL};
    size_t named;
    read_typed(line, &typed);
    if (typed.count == 0)
        return STATUS_OK;
    const struct cmd_spec *spec = find_command(typed.words, typed.count, &named);
    if (!spec || (spec->subcommand_count && named == 1))
        return STATUS_OK;
    const struct cmd_docs *docs = spec->docs;
    uint32_t count = docs->argument_count < ARGUMENTS_MAX ? docs->argument_count : ARGUMENTS_MAX;
    bool is_begun = typed.words[typed.count - 1].size == 0; /* a space stands at the end */
    for (size_t i = named; i < typed.count - is_begun; i++)
        take_word(docs->arguments, count, &progress, typed.words[i]);
    TRY(put_rest(out, docs->arguments, count, &progress));
    if (is_begun && out->size)
        buf_consume(out, 1);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ help */

static enum status put_help(struct buf *out, const struct cmd_spec *spec) {
    const struct cmd_docs *docs = spec->docs;
    TRY(buf_printf(out, "\n  \x1b[1m%s\x1b[0m\n  %s\n  since: %s\n  group: %s\n  complexity: %s\n", docs->syntax,
                   docs->summary, docs->since, docs->group, docs->complexity));
    if (docs->deprecated_since)
        TRY(buf_printf(out, "  deprecated since: %s%s%s\n", docs->deprecated_since,
                       docs->replaced_by ? ", replaced by " : "", docs->replaced_by ? docs->replaced_by : ""));
    for (uint32_t i = 0; i < spec->subcommand_count; i++)
        TRY(buf_printf(out, "    %s\n", spec->subcommands[i].docs->syntax));
    return STATUS_OK;
}

static enum status put_group(struct buf *out, struct slice group) {
    for (uint32_t i = 0; i < cmd_table_count; i++)
        if (slice_equal_nocase(group, slice_from_string(cmd_table[i].docs->group)))
            TRY(buf_printf(out, "  %s\n      %s\n", cmd_table[i].docs->syntax, cmd_table[i].docs->summary));
    return out->size ? STATUS_OK : put(out, "There is no such group.\n");
}

static enum status put_groups(struct buf *out) {
    TRY(put(out,
            "help COMMAND      says what a command takes and does\n"
            "help @GROUP       lists the commands of a group:"));
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++)
            seen = strcmp(cmd_table[k].docs->group, cmd_table[i].docs->group) == 0;
        if (!seen)
            TRY(buf_printf(out, " @%s", cmd_table[i].docs->group));
    }
    return put(out,
               "\nTab               completes commands, subcommands and options; twice, lists them\n"
               "N COMMAND         runs it N times\n"
               "clear, connect HOST PORT, exit\n");
}

enum status syntax_help(const struct slice *words, size_t count, struct buf *out) {
    size_t named;
    if (count == 0)
        return put_groups(out);
    if (words[0].size && words[0].data[0] == '@')
        return put_group(out, slice_part(words[0], 1, SIZE_MAX));
    const struct cmd_spec *spec = find_command(words, count, &named);
    if (!spec)
        return put(out, "There is no such command: 'help' says more.\n");
    TRY(put_help(out, spec));
    return put(out, "\n");
}

/* ------------------------------------------------------------------------------------------ secrets */

static bool contains_nocase(struct slice line, const char *word) {
    struct slice wanted = slice_from_string(word);
    for (size_t at = 0; at + wanted.size <= line.size; at++)
        if (slice_equal_nocase(slice_part(line, at, wanted.size), wanted))
            return true;
    return false;
}

bool syntax_is_secret(struct slice line) {
    static const char *const words[] = {"auth", "pass", "secret", "token", "setuser"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (contains_nocase(line, words[i]))
            return true;
    return false;
}
