/* app/cli/cert_command.c: `strata cert`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/cli/cli.h"
#include "base/bits.h"
#include "base/number.h"
#include "sys/os/clock.h"
#include "sys/os/whole_file.h"
#include "sys/tls/certificates.h"

enum {
    NAMES_MAX = 64,
    NAME_SIZE_MAX = 64, /* of a common name */
    PATH_SIZE = 1200,
    DAY_S = 86400,
    DAYS = 365,
    DAYS_MAX = 3650,
    EARLY_S = 300, /* clocks differ */
    PEM_SIZE_MAX = 64 * 1024
};

struct options {
    const char *folder;
    const char *hosts[NAMES_MAX], *clients[NAMES_MAX];
    size_t host_count, client_count;
    uint64_t days;
    bool help;
};

static void print_help(void) {
    printf(
        "usage: strata cert [--host NAME]... [--client NAME]... [--days N] DIRECTORY\n\n"
        "Makes certificates for development and tests in a directory: an authority of its own (ca.crt, ca.key), if "
        "there is none\n"
        "yet, and what it signs. Names that people in general trust are signed by others.\n\n"
        "  --host NAME\n      A name or address that clients know the server by, for server.crt and server.key. May "
        "be given again. Without any,\n      and if there is no server.crt yet: localhost, 127.0.0.1 and ::1.\n"
        "  --client NAME\n      A client's certificate, NAME.crt and NAME.key. May be given again.\n"
        "  --days N\n      How long they hold (%d). The authority holds for ten years.\n"
        "  --help\n      Print this.\n\n"
        "What is there is replaced, but for the authority; a running server takes the new files by itself.\n",
        DAYS);
}

/* ------------------------------------------------------------------------------------------ flags */

static bool add(const char **names, size_t *count, const char *name) {
    if (*count == NAMES_MAX) {
        fprintf(stderr, "strata cert: at most %d names of a kind\n", NAMES_MAX);
        return false;
    }
    names[(*count)++] = name;
    return true;
}

/* It becomes the name of a file. */
static bool is_client_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);
    if (size > 0 && size <= NAME_SIZE_MAX && strspn(name, letters) == size && name[0] != '.' &&
        strcmp(name, "ca") != 0 && strcmp(name, "server") != 0)
        return true;
    fprintf(stderr,
            "strata cert: a client's name has 1 to %d letters, digits, '.', '_' and '-', begins with no '.', and is "
            "not 'ca' or 'server': '%s'\n",
            NAME_SIZE_MAX, name);
    return false;
}

static bool read_days(const char *text, uint64_t *ret_days) {
    int64_t days;
    if (number_parse_i64(slice_from_string(text), &days) && days >= 1 && days <= DAYS_MAX) {
        *ret_days = (uint64_t)days;
        return true;
    }
    fprintf(stderr, "strata cert: --days takes a number from 1 to %d, and not '%s'\n", DAYS_MAX, text);
    return false;
}

/* False: told what is wrong. */
static bool take_flag(struct options *options, const char *flag, const char *value) {
    if (!value) {
        fprintf(stderr, "strata cert: %s needs a value\n", flag);
        return false;
    }
    if (cli_flag_is(flag, "--host"))
        return add(options->hosts, &options->host_count, value);
    if (cli_flag_is(flag, "--client"))
        return is_client_name(value) && add(options->clients, &options->client_count, value);
    return read_days(value, &options->days);
}

static bool read_options(int argc, char **argv, struct options *ret_options) {
    *ret_options = (struct options){.days = DAYS};
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        bool takes = cli_flag_is(word, "--host") || cli_flag_is(word, "--client") || cli_flag_is(word, "--days");
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            ret_options->help = true;
            return true;
        }
        if (takes && !take_flag(ret_options, word, cli_flag_value(argc, argv, &i)))
            return false;
        if (!takes && word[0] == '-') {
            fprintf(stderr, "strata cert: unknown flag '%s': 'strata cert --help' lists them\n", word);
            return false;
        }
        if (!takes && ret_options->folder) {
            fprintf(stderr, "strata cert: one directory at a time, but was given '%s' too\n", word);
            return false;
        }
        if (!takes)
            ret_options->folder = word;
    }
    if (!ret_options->folder)
        fprintf(stderr, "strata cert: which directory? 'strata cert DIRECTORY'\n");
    return ret_options->folder;
}

/* ------------------------------------------------------------------------------------------ files */

static bool path_of(const struct options *options, const char *name, const char *ending, char ret_path[PATH_SIZE]) {
    if (snprintf(ret_path, PATH_SIZE, "%s/%s%s", options->folder, name, ending) < PATH_SIZE)
        return true;
    fprintf(stderr, "strata cert: the path is too long\n");
    return false;
}

static bool tell(const char *path) {
    fprintf(stderr, "strata cert: %s: %s\n", path, strerror(errno));
    return false;
}

static bool put_file(const char *path, const struct buf *bytes, unsigned mode) {
    return whole_file_write(path, buf_slice(bytes), mode) || tell(path);
}

/* The key first: a server that looks in between finds a pair that does not fit, and keeps the one before. */
static bool put_pair(const struct options *options, const char *name, const struct tls_pair *pair) {
    char certificate[PATH_SIZE], key[PATH_SIZE];
    if (!path_of(options, name, ".crt", certificate) || !path_of(options, name, ".key", key) ||
        !put_file(key, &pair->key, 0600) || !put_file(certificate, &pair->certificate, 0644))
        return false;
    printf("%s\n%s\n", certificate, key);
    return true;
}

static bool get_file(const char *path, struct buf *ret_bytes) {
    return whole_file_read(path, PEM_SIZE_MAX, ret_bytes) || tell(path);
}

/* ------------------------------------------------------------------------------------------ certificates */

static bool make(const struct options *options, enum tls_role role, const char *name, const struct tls_pair *authority,
                 struct tls_pair *ret_pair) {
    static const char *const here[] = {"localhost", "127.0.0.1", "::1"};
    int64_t now_s = (int64_t)(clock_unix_ms() / 1000);
    char reason[TLS_REASON_SIZE], common[NAME_SIZE_MAX + 1];
    struct tls_subject subject = {
        .role = role,
        .common_name = name,
        .begins_s = now_s - EARLY_S,
        .ends_s = now_s + (role == TLS_ROLE_AUTHORITY ? DAYS_MAX : (int64_t)options->days) * DAY_S,
    };
    if (role == TLS_ROLE_SERVER) {
        subject.names = options->host_count ? options->hosts : here;
        subject.name_count = options->host_count ? options->host_count : COUNT_OF(here);
        snprintf(common, sizeof common, "%.64s", subject.names[0]);
        subject.common_name = common;
    }
    if (tls_pair_make(&subject, authority, ret_pair, reason) == STATUS_OK)
        return true;
    fprintf(stderr, "strata cert: %s\n", reason);
    return false;
}

static bool make_and_put(const struct options *options, enum tls_role role, const char *name,
                         const struct tls_pair *authority) {
    struct tls_pair pair;
    if (!make(options, role, name, authority, &pair))
        return false;
    bool done = put_pair(options, name, &pair);
    tls_pair_free(&pair);
    return done;
}

/* The one that is there, or a new one. */
static bool find_authority(const struct options *options, struct tls_pair *ret_pair) {
    char certificate[PATH_SIZE], key[PATH_SIZE];
    buf_init(&ret_pair->certificate, &memory_libc);
    buf_init(&ret_pair->key, &memory_libc);
    if (!path_of(options, "ca", ".crt", certificate) || !path_of(options, "ca", ".key", key))
        return false;
    bool first = access(certificate, F_OK) == 0, second = access(key, F_OK) == 0;
    if (first != second) {
        fprintf(stderr, "strata cert: there is %s without %s\n", first ? certificate : key, first ? key : certificate);
        return false;
    }
    if (first)
        return get_file(certificate, &ret_pair->certificate) && get_file(key, &ret_pair->key);
    return make(options, TLS_ROLE_AUTHORITY, "Strata development authority", NULL, ret_pair) &&
           put_pair(options, "ca", ret_pair);
}

static bool run(const struct options *options) {
    struct tls_pair authority;
    char server[PATH_SIZE];
    if (mkdir(options->folder, 0755) != 0 && errno != EEXIST)
        return tell(options->folder);
    bool done = find_authority(options, &authority) && path_of(options, "server", ".crt", server);
    bool serves = done && (options->host_count || access(server, F_OK) != 0);
    if (serves)
        done = make_and_put(options, TLS_ROLE_SERVER, "server", &authority);
    else if (done && !options->client_count)
        fprintf(stderr,
                "strata cert: nothing was made: %s is there; --host NAME makes it anew, --client NAME another\n",
                server);
    for (size_t i = 0; i < options->client_count && done; i++)
        done = make_and_put(options, TLS_ROLE_CLIENT, options->clients[i], &authority);
    tls_pair_free(&authority);
    return done;
}

int cli_cert(int argc, char **argv) {
    struct options options;
    if (!read_options(argc, argv, &options))
        return 1;
    if (options.help) {
        print_help();
        return 0;
    }
    return run(&options) && fflush(stdout) == 0 ? 0 : 1;
}
