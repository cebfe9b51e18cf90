#include "app/link/place_flags.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "base/bits.h"
#include "base/number.h"

enum kind { YES, WORD, PORT, DB, URI, PASSWORD };

struct flag {
    const char *name, *other, *takes;
    enum kind kind;
    size_t at;
    const char *help; /* NULL: another name of the flag before it */
};

#define AT(field) offsetof(struct place_flags, field)
static const struct flag table[] = {
    {"--host", "-h", "HOST", WORD, AT(place.host), "where the server is (127.0.0.1)"},
    {"--port", "-p", "PORT", PORT, 0, "its port (6379)"},
    {"--unix", "-s", "PATH", WORD, AT(place.socket), "its Unix socket instead"},
    {NULL, "-u", "URI", URI, 0, "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS"},
    {"--user", NULL, "NAME", WORD, AT(place.user), "with a password: as whom to log in"},
    {"--askpass", NULL, NULL, YES, AT(asks_password),
     "asks for the password; or it is in the variable STRATACLI_AUTH or REDISCLI_AUTH"},
    {"--pass", "-a", "PASSWORD", PASSWORD, 0, "on the command line, where others may see it"},
    {"--password", NULL, "PASSWORD", PASSWORD, 0, NULL},
    {"--no-auth-warning", NULL, NULL, YES, AT(no_warning), "does not warn of that"},
    {"--service", NULL, "NAME", WORD, AT(place.service),
     "as which service to read and write, where rules say whose keys are whose"},
    {"--db", "-n", "DB", DB, 0, "database"},
    {"--tls", NULL, NULL, YES, AT(place.tls.used), "over TLS"},
    {"--cacert", NULL, "FILE", WORD, AT(place.tls.authorities),
     "certificates of authorities to trust, instead of the system's"},
    {"--cacertdir", NULL, "DIRECTORY", WORD, AT(place.tls.authorities_folder), "a folder of them"},
    {"--cert", NULL, "FILE", WORD, AT(place.tls.certificate), "our certificate"},
    {"--key", NULL, "FILE", WORD, AT(place.tls.key), "its key"},
    {"--sni", NULL, "NAME", WORD, AT(place.tls.name), "the name that the server's certificate has, if it is not HOST"},
    {"--insecure", NULL, NULL, YES, AT(place.tls.insecure), "takes any certificate"},
    {"--tls-ciphers", NULL, "LIST", WORD, AT(place.tls.ciphers), "of TLS 1.2"},
    {"--tls-ciphersuites", NULL, "LIST", WORD, AT(place.tls.suites), "of TLS 1.3"},
};

const char *place_flags_name(size_t index) {
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].name && table[i].help && found++ == index)
            return table[i].name;
    return NULL;
}

void place_flags_init(struct place_flags *flags) {
    *flags = (struct place_flags){0};
    const char *password = getenv("STRATACLI_AUTH");
    flags->place.password = password ? password : getenv("REDISCLI_AUTH");
}

/* ------------------------------------------------------------------------------------------ one flag */

static bool fail(char ret_problem[PLACE_FLAGS_PROBLEM_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(char ret_problem[PLACE_FLAGS_PROBLEM_SIZE], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_problem, PLACE_FLAGS_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_offered(const struct place_flags *flags, const struct flag *flag) {
    return flag->kind != DB || !flags->without_db;
}

/* NULL where the command has the letter for something else. */
static const char *short_name(const struct place_flags *flags, const struct flag *flag) {
    bool taken = flag->other && flags->taken && strchr(flags->taken, flag->other[1]);
    return taken ? NULL : flag->other;
}

static const struct flag *find(const struct place_flags *flags, const char *word, size_t size) {
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const char *names[] = {table[i].name, short_name(flags, &table[i])};
        for (size_t k = 0; k < COUNT_OF(names) && is_offered(flags, &table[i]); k++)
            if (names[k] && strlen(names[k]) == size && memcmp(names[k], word, size) == 0)
                return &table[i];
    }
    return NULL;
}

static bool read_number(const char *name, const char *value, int64_t least, int64_t most, int64_t *ret_number,
                        char *ret_problem) {
    return (number_parse_i64(slice_from_string(value), ret_number) && *ret_number >= least && *ret_number <= most) ||
           fail(ret_problem, "%s takes a number from %lld to %lld, not '%.60s'", name, (long long)least,
                (long long)most, value);
}

/* Other users see the command line: what is secret is taken off it. */
static bool hide(const char *name, char *value, char *room, size_t size, char *ret_problem) {
    size_t length = strlen(value);
    if (length >= size)
        return fail(ret_problem, "%s takes at most %zu bytes", name, size - 1);
    memcpy(room, value, length + 1);
    memset(value, '*', length);
    return true;
}

static bool set(struct place_flags *flags, const struct flag *flag, const char *name, char *value, char *ret_problem) {
    char *field = (char *)flags + flag->at;
    int64_t number;
    switch (flag->kind) {
        case YES:
            *(bool *)(void *)field = true;
            return true;
        case WORD:
            *(const char **)(void *)field = value;
            return true;
        case PORT:
            if (!read_number(name, value, 1, SERVER_PORT_MAX, &number, ret_problem))
                return false;
            flags->place.port = (uint16_t)number;
            return true;
        case DB:
            if (!read_number(name, value, 0, SERVER_DB_MAX, &number, ret_problem))
                return false;
            flags->place.db = (int)number;
            return true;
        case PASSWORD:
            flags->password_shown = true;
            flags->place.password = flags->password;
            return hide(name, value, flags->password, sizeof flags->password, ret_problem);
        case URI:
            if (!hide(name, value, flags->uri, sizeof flags->uri, ret_problem))
                return false;
            flags->password_shown = flags->password_shown || strchr(flags->uri, '@');
            return server_place_read_uri(flags->uri, &flags->place) ||
                   fail(ret_problem, "-u takes redis://[USER:PASSWORD@]HOST[:PORT][/DB], or the same with rediss://");
    }
    return false;
}

enum place_flags_result place_flags_read(struct place_flags *flags, int argc, char **argv, int *at,
                                         char ret_problem[PLACE_FLAGS_PROBLEM_SIZE]) {
    char *word = argv[*at], *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    const struct flag *flag = find(flags, word, size);
    char name[32], *value = NULL;
    if (!flag)
        return PLACE_FLAGS_OTHER;
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    bool good = true;
    if (!flag->takes && equals)
        good = fail(ret_problem, "%s takes no value", name);
    else if (flag->takes && !equals && *at + 1 >= argc)
        good = fail(ret_problem, "%s takes a value", name);
    else if (flag->takes)
        value = equals ? equals + 1 : argv[++*at];
    return good && set(flags, flag, name, value, ret_problem) ? PLACE_FLAGS_TAKEN : PLACE_FLAGS_WRONG;
}

/* ------------------------------------------------------------------------------------------ together */

bool place_flags_check(const struct place_flags *flags, char ret_problem[PLACE_FLAGS_PROBLEM_SIZE]) {
    const struct server_place *place = &flags->place;
    if (place->user && !place->password && !flags->asks_password)
        return fail(ret_problem, "--user needs a password: --askpass or the variable STRATACLI_AUTH");
    if ((place->tls.certificate != NULL) != (place->tls.key != NULL))
        return fail(ret_problem, "--cert and --key go together");
    return true;
}

/* What is typed is seen again, also when it ends here: not every shell looks after that. */
static struct termios shown;
static int shown_fd;

static void show_and_end(int number) {
    tcsetattr(shown_fd, TCSANOW, &shown);
    raise(number); /* as it was before: the action holds once */
}

static void end_well(bool begins) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    static struct sigaction before[COUNT_OF(signals)];
    const struct sigaction once = {.sa_handler = show_and_end, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (!begins)
            sigaction(signals[i], &before[i], NULL);
        else if (sigaction(signals[i], NULL, &before[i]) == 0 && before[i].sa_handler == SIG_DFL)
            sigaction(signals[i], &once, NULL);
    }
}

bool place_flags_ask(struct place_flags *flags) {
    struct termios hidden;
    if (flags->password_shown && !flags->no_warning)
        fputs("Warning: others may see a password on the command line: STRATACLI_AUTH or --askpass keep it hidden.\n",
              stderr);
    if (!flags->asks_password)
        return true;
    FILE *terminal = fopen("/dev/tty", "r+");
    FILE *from = terminal ? terminal : stdin;
    bool changed = tcgetattr(fileno(from), &shown) == 0;
    if (changed) {
        shown_fd = fileno(from);
        end_well(true);
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fileno(from), TCSAFLUSH, &hidden);
    }
    fputs("Please input password: ", terminal ? terminal : stderr);
    if (terminal)
        fflush(terminal);
    bool read = fgets(flags->password, sizeof flags->password, from) != NULL;
    if (changed) {
        tcsetattr(fileno(from), TCSAFLUSH, &shown);
        end_well(false);
    }
    fputs("\n", terminal ? terminal : stderr);
    if (terminal)
        fclose(terminal);
    flags->password[read ? strcspn(flags->password, "\n") : 0] = 0;
    flags->place.password = flags->password;
    return read;
}

void place_flags_print(const struct place_flags *flags, int column) {
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct flag *flag = &table[i];
        const char *other = short_name(flags, flag);
        char text[64];
        if (!flag->help || !is_offered(flags, flag) || (!flag->name && !other))
            continue;
        snprintf(text, sizeof text, "%s%s%s%s%s", flag->name ? flag->name : "", flag->name && other ? ", " : "",
                 other ? other : "", flag->takes ? " " : "", flag->takes ? flag->takes : "");
        printf("%s  %-*s %s\n", flag->at == AT(place.tls.used) ? "\n" : "", column - 3, text, flag->help);
    }
}
