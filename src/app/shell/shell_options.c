/* app/shell/shell_options.c: the flags of `strata cli`, which are those of redis-cli as far as they make sense here. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/shell/line_words.h"
#include "app/shell/shell.h"
#include "base/bits.h"
#include "base/decimal.h"
#include "base/number.h"

enum { PORT_MAX = 65535, DB_MAX = 1 << 20 };

static const char help_text[] =
    "usage: strata cli [flags] [COMMAND [argument]...]\n\n"
    "Sends one command and prints the reply; without one it reads commands, at a prompt or from standard input.\n\n"
    "  --host, -h HOST          where the server is (127.0.0.1)\n"
    "  --port, -p PORT          its port (6379)\n"
    "  --unix, -s PATH          its Unix socket instead\n"
    "  -u URI                   redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS\n"
    "  --user NAME              with a password: as whom to log in\n"
    "  --askpass                asks for the password; or it is in the variable STRATACLI_AUTH or REDISCLI_AUTH\n"
    "  --pass, -a PASSWORD      on the command line, where others may see it\n"
    "  --no-auth-warning        does not warn of that\n"
    "  --service NAME           as which service to read and write, where rules say whose keys are whose\n"
    "  --db, -n DB              database\n"
    "  -2, -3                   RESP2 or RESP3\n"
    "\n"
    "  --tls                    over TLS\n"
    "  --cacert FILE            certificates of authorities to trust, instead of the system's\n"
    "  --cacertdir DIRECTORY    a folder of them\n"
    "  --cert FILE              our certificate\n"
    "  --key FILE               its key\n"
    "  --sni NAME               the name that the server's certificate has, if it is not HOST\n"
    "  --insecure               takes any certificate\n"
    "  --tls-ciphers LIST       of TLS 1.2\n"
    "  --tls-ciphersuites LIST  of TLS 1.3\n"
    "\n"
    "  --raw                    replies as they are: what is done when the output is no terminal\n"
    "  --no-raw                 replies with types and numbers: what is done on a terminal\n"
    "  --csv                    replies as CSV\n"
    "  --json                   replies as JSON\n"
    "  --quoted-json            the same with ASCII only\n"
    "  -d TEXT, -D TEXT         between the members of a raw reply, and behind it (a line end)\n"
    "  --show-pushes yes|no     pushes of RESP3 (yes with --no-raw)\n"
    "\n"
    "  -e                       an error reply makes the exit code 1\n"
    "  -r N, -i SECONDS         N times (-1: until it is ended), with a pause\n"
    "  -x                       the last argument is read from standard input\n"
    "  -X TAG                   the argument TAG is\n"
    "  --quoted-input           arguments are written as at the prompt: \"\\x00\"\n"
    "\n"
    "  --pipe                   sends requests in RESP from standard input, fast, and counts errors\n"
    "  --pipe-timeout N         gives up when no reply came for so many seconds (30; 0: never)\n"
    "  --scan                   lists keys\n"
    "  --pattern P              only those like this\n"
    "  --quoted-pattern P       the same, written as at the prompt\n"
    "  --count N                so many in a step\n"
    "  --type TYPE              only of this type\n"
    "  --bigkeys                the largest key of each type, by elements or bytes\n"
    "  --memkeys                the same by memory\n"
    "  --memkeys-samples N      elements looked at in each key\n"
    "  --hotkeys                the busiest keys\n"
    "  --stat                   figures of the server, line after line, -i apart\n"
    "  --latency                round trips of PING, for -i seconds\n"
    "  --latency-history        the same range after range (15 seconds)\n"
    "\n"
    "  --version                says which version this is\n"
    "  --help                   prints this\n"
    "\nThe exit code is 0, or 1 if there is no server, the connection broke, or (with -e) a reply was an error.\n"
    "docs/cli.md tells more.\n";

void shell_print_help(void) { fputs(help_text, stdout); }

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("strata cli: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n'strata cli --help' lists the flags\n", stderr);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ URI */

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* In place. False: a % that is no byte, or is a NUL. */
static bool decode_percent(char *text) {
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        at += 2;
    }
    *to = 0;
    return true;
}

static bool read_uri_user(char *user, struct server_place *place) {
    char *colon = strchr(user, ':');
    if (colon)
        *colon++ = 0;
    if (!decode_percent(user) || (colon && !decode_percent(colon)))
        return false;
    /* "secret@host" and ":secret@host" are a password without a user. */
    place->password = colon ? colon : user;
    place->user = colon && user[0] ? user : NULL;
    return true;
}

static bool read_uri_host(char *host, struct server_place *place) {
    char *colon = strrchr(host, ':');
    int64_t port;
    if (host[0] == '[') {
        char *end = strchr(host++, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        colon = end[1] ? end + 1 : NULL;
        *end = 0;
    }
    if (colon) {
        *colon++ = 0;
        if (!number_parse_i64(slice_from_string(colon), &port) || port < 1 || port > PORT_MAX)
            return false;
        place->port = (uint16_t)port;
    }
    if (host[0])
        place->host = host;
    return true;
}

bool shell_read_uri(char *text, struct server_place *place) {
    char *at = NULL;
    if (strncmp(text, "redis://", 8) == 0)
        at = text + 8;
    else if (strncmp(text, "rediss://", 9) == 0)
        at = text + 9;
    if (!at)
        return false;
    place->tls.used = place->tls.used || text[5] == 's';
    char *slash = strchr(at, '/'), *user_end;
    int64_t db;
    if (slash) {
        *slash++ = 0;
        if (*slash && (!number_parse_i64(slice_from_string(slash), &db) || db < 0 || db > DB_MAX))
            return false;
        place->db = *slash ? (int)db : place->db;
    }
    user_end = strrchr(at, '@');
    if (user_end) {
        *user_end = 0;
        if (!read_uri_user(at, place))
            return false;
        at = user_end + 1;
    }
    return read_uri_host(at, place);
}

/* ------------------------------------------------------------------------------------------ flags */

enum kind { YES, WORD, SMALL, NUMBER, SECONDS, MODE, FORM, SPECIAL };

struct flag {
    const char *name, *other;
    enum kind kind;
    size_t at;
    int64_t least, most; /* of numbers; `least` is the value of a mode or a form */
};

#define AT(field) offsetof(struct shell_options, field)
static const struct flag flags[] = {
    {"-h", "--host", WORD, AT(place.host), 0, 0},
    {"-s", "--unix", WORD, AT(place.socket), 0, 0},
    {"--user", NULL, WORD, AT(place.user), 0, 0},
    {"--service", NULL, WORD, AT(place.service), 0, 0},
    {"--tls", NULL, YES, AT(place.tls.used), 0, 0},
    {"--insecure", NULL, YES, AT(place.tls.insecure), 0, 0},
    {"--cacert", NULL, WORD, AT(place.tls.authorities), 0, 0},
    {"--cacertdir", NULL, WORD, AT(place.tls.authorities_folder), 0, 0},
    {"--cert", NULL, WORD, AT(place.tls.certificate), 0, 0},
    {"--key", NULL, WORD, AT(place.tls.key), 0, 0},
    {"--sni", NULL, WORD, AT(place.tls.name), 0, 0},
    {"--tls-ciphers", NULL, WORD, AT(place.tls.ciphers), 0, 0},
    {"--tls-ciphersuites", NULL, WORD, AT(place.tls.suites), 0, 0},
    {"-n", "--db", SMALL, AT(place.db), 0, DB_MAX},
    {"-e", NULL, YES, AT(error_is_failure), 0, 0},
    {"-x", NULL, YES, AT(last_from_input), 0, 0},
    {"-X", NULL, WORD, AT(input_tag), 0, 0},
    {"--quoted-input", NULL, YES, AT(quoted_input), 0, 0},
    {"--askpass", NULL, YES, AT(ask_password), 0, 0},
    {"--no-auth-warning", NULL, YES, AT(no_password_warning), 0, 0},
    {"--help", NULL, YES, AT(help), 0, 0},
    {"--version", "-v", YES, AT(version), 0, 0},
    {"-r", NULL, NUMBER, AT(repeat), -1, INT64_MAX},
    {"-i", NULL, SECONDS, AT(interval_s), 0, 0},
    {"--pattern", NULL, WORD, AT(pattern), 0, 0},
    {"--type", NULL, WORD, AT(type), 0, 0},
    {"--count", NULL, NUMBER, AT(count), 1, INT32_MAX},
    {"--memkeys-samples", NULL, NUMBER, AT(memory_samples), 0, INT32_MAX},
    {"--pipe-timeout", NULL, NUMBER, AT(pipe_timeout_s), 0, INT32_MAX},
    {"--pipe", NULL, MODE, 0, SHELL_PIPE, 0},
    {"--scan", NULL, MODE, 0, SHELL_SCAN, 0},
    {"--bigkeys", NULL, MODE, 0, SHELL_BIG_KEYS, 0},
    {"--memkeys", NULL, MODE, 0, SHELL_MEMORY_KEYS, 0},
    {"--hotkeys", NULL, MODE, 0, SHELL_HOT_KEYS, 0},
    {"--stat", NULL, MODE, 0, SHELL_STAT, 0},
    {"--latency", NULL, MODE, 0, SHELL_LATENCY, 0},
    {"--latency-history", NULL, MODE, 0, SHELL_LATENCY_HISTORY, 0},
    {"--raw", NULL, FORM, 0, FORMAT_RAW, 0},
    {"--no-raw", NULL, FORM, 0, FORMAT_STANDARD, 0},
    {"--csv", NULL, FORM, 0, FORMAT_CSV, 0},
    {"--json", NULL, FORM, 0, FORMAT_JSON, 0},
    {"--quoted-json", NULL, FORM, 0, FORMAT_JSON, 1},
    {"-2", NULL, SPECIAL, '2', 0, 0},
    {"-3", NULL, SPECIAL, '3', 0, 0},
    {"-p", "--port", SPECIAL, 'p', 0, 0},
    {"-u", NULL, SPECIAL, 'u', 0, 0},
    {"-a", "--pass", SPECIAL, 'a', 0, 0},
    {"-d", NULL, SPECIAL, 'd', 0, 0},
    {"-D", NULL, SPECIAL, 'D', 0, 0},
    {"--show-pushes", NULL, SPECIAL, 's', 0, 0},
    {"--quoted-pattern", NULL, SPECIAL, 'q', 0, 0},
};

static const struct flag *find_flag(const char *word) {
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (strcmp(flags[i].name, word) == 0 || (flags[i].other && strcmp(flags[i].other, word) == 0))
            return &flags[i];
    return NULL;
}

/* Other users see the command line: what is secret is taken off it. */
static bool hide(char *word, char *room, size_t size, const char *flag) {
    size_t length = strlen(word);
    if (length >= size)
        return wrong("%s takes at most %zu bytes", flag, size - 1);
    memcpy(room, word, length + 1);
    memset(word, '*', length);
    return true;
}

static struct arena scraps; /* for a pattern in quotes: as long as the program lives */

static bool unquote(const char *flag, const char *value, const char **ret_text) {
    struct slice word;
    if (!scraps.memory)
        arena_init(&scraps, &memory_libc, 4096);
    if (line_words_unquote(slice_from_string(value), &scraps, &word) != STATUS_OK)
        return wrong("%s: '%s' is no word as it is written at the prompt", flag, value);
    char *text = arena_take(&scraps, word.size + 1);
    if (!text || memchr(word.data, 0, word.size))
        return wrong("%s: there can be no NUL in it", flag);
    memcpy(text, word.data, word.size);
    text[word.size] = 0;
    *ret_text = text;
    return true;
}

static bool set_special(struct shell_options *options, const struct flag *flag, char *value) {
    int64_t port;
    switch (flag->at) {
        case '2':
        case '3':
            options->place.protocol = (int)flag->at - '0';
            return true;
        case 'p':
            if (!number_parse_i64(slice_from_string(value), &port) || port < 1 || port > PORT_MAX)
                return wrong("%s takes a number from 1 to %d, not '%s'", flag->name, PORT_MAX, value);
            options->place.port = (uint16_t)port;
            return true;
        case 'a':
            options->password_shown = true;
            options->place.password = options->password;
            return hide(value, options->password, sizeof options->password, flag->name);
        case 'u':
            if (!hide(value, options->uri, sizeof options->uri, flag->name))
                return false;
            options->password_shown = options->password_shown || strchr(options->uri, '@');
            return shell_read_uri(options->uri, &options->place) ||
                   wrong("-u takes redis://[USER:PASSWORD@]HOST[:PORT][/DB], or the same with rediss://");
        case 'd':
            options->format.between = slice_from_string(value);
            return true;
        case 'D':
            options->format.behind = slice_from_string(value);
            return true;
        case 'q':
            return unquote(flag->name, value, &options->pattern);
        default:
            if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                return wrong("%s takes yes or no, not '%s'", flag->name, value);
            options->pushes = value[0] == 'y' ? SHELL_PUSHES_SHOWN : SHELL_PUSHES_HIDDEN;
            return true;
    }
}

static bool set_number(struct shell_options *options, const struct flag *flag, const char *value) {
    int64_t number;
    if (!number_parse_i64(slice_from_string(value), &number) || number < flag->least || number > flag->most)
        return wrong("%s takes a number from %lld on, not '%s'", flag->name, (long long)flag->least, value);
    if (flag->kind == SMALL)
        *(int *)(void *)((char *)options + flag->at) = (int)number;
    else
        *(int64_t *)(void *)((char *)options + flag->at) = number;
    return true;
}

static bool set(struct shell_options *options, const struct flag *flag, char *value) {
    char *field = (char *)options + flag->at;
    double seconds;
    switch (flag->kind) {
        case YES:
            *(bool *)(void *)field = true;
            return true;
        case WORD:
            *(const char **)(void *)field = value;
            return true;
        case SMALL:
        case NUMBER:
            return set_number(options, flag, value);
        case SECONDS:
            if (!decimal_parse(slice_from_string(value), &seconds) || !(seconds > 0 && seconds <= 86400))
                return wrong("%s takes seconds, as 0.5, not '%s'", flag->name, value);
            *(double *)(void *)field = seconds;
            return true;
        case MODE:
            if (options->mode != SHELL_COMMANDS && options->mode != (enum shell_mode)flag->least)
                return wrong("%s does not go with another mode", flag->name);
            options->mode = (enum shell_mode)flag->least;
            return true;
        case FORM:
            options->format.kind = (enum format_kind)flag->least;
            options->format.ascii = flag->most == 1;
            options->format_given = true;
            return true;
        case SPECIAL:
            break;
    }
    return set_special(options, flag, value);
}

static bool takes_value(const struct flag *flag) {
    return flag->kind != YES && flag->kind != MODE && flag->kind != FORM &&
           !(flag->kind == SPECIAL && (flag->at == '2' || flag->at == '3'));
}

/* --NAME=VALUE and --NAME VALUE, -x VALUE. */
static bool read_flag(int argc, char **argv, int *at, struct shell_options *options) {
    char *word = argv[*at], *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    char name[32];
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - word) : (int)strlen(word), word);
    const struct flag *flag = find_flag(name);
    if (!flag)
        return wrong("unknown flag '%s'", word);
    if (!takes_value(flag))
        return equals ? wrong("%s takes no value", name) : set(options, flag, NULL);
    if (!equals && *at + 1 >= argc)
        return wrong("%s takes a value", name);
    return set(options, flag, equals ? equals + 1 : argv[++*at]);
}

/* ------------------------------------------------------------------------------------------ together */

static bool is_complete(struct shell_options *options) {
    if (options->mode != SHELL_COMMANDS && options->word_count > 0)
        return wrong("the command '%s' does not go with a mode", options->words[0]);
    if (options->last_from_input && options->input_tag)
        return wrong("-x or -X, not both");
    if ((options->last_from_input || options->input_tag) && options->word_count == 0)
        return wrong("-x and -X are for a command");
    if (options->place.user && !options->place.password && !options->ask_password)
        return wrong("--user needs a password: --askpass or the variable STRATACLI_AUTH");
    if ((options->place.tls.certificate != NULL) != (options->place.tls.key != NULL))
        return wrong("--cert and --key go together");
    if (options->format.kind == FORMAT_JSON && options->place.protocol == 0)
        options->place.protocol = 3;
    return true;
}

bool shell_options_read(int argc, char **argv, struct shell_options *ret_options) {
    *ret_options = (struct shell_options){.count = -1, .memory_samples = -1, .pipe_timeout_s = 30};
    ret_options->format = (struct format){.between = SLICE("\n"), .behind = SLICE("\n")};
    const char *password = getenv("STRATACLI_AUTH");
    ret_options->place.password = password ? password : getenv("REDISCLI_AUTH");
    int at = 0;
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++)
        if (!read_flag(argc, argv, &at, ret_options))
            return false;
    ret_options->words = argv + at;
    ret_options->word_count = argc - at;
    if (ret_options->help || ret_options->version)
        return true;
    ret_options->format.guarded = isatty(STDOUT_FILENO);
    if (!ret_options->format_given)
        ret_options->format.kind = ret_options->format.guarded ? FORMAT_STANDARD : FORMAT_RAW;
    return is_complete(ret_options);
}
