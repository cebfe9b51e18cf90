/* app/cli/server_command.c: `strata server`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/api/api.h"
#include "app/cli/cli.h"
#include "app/cli/port_owner.h"
#include "app/config/config.h"
#include "app/dashboard/dashboard.h"
#include "app/http/http.h"
#include "app/rules/manifest_file.h"
#include "app/server/server.h"
#include "base/version.h"
#include "sys/os/log.h"
#include "sys/os/process.h"
#include "sys/os/socket.h"
#include "sys/os/thread.h"

extern char **environ;

enum { HELP_WIDTH = 100, HELP_INDENT = 6 };

/* ------------------------------------------------------------------------ --help */

static void print_wrapped(const char *text) {
    int column = 0;
    while (*text) {
        int size = (int)strcspn(text, " ");
        bool breaks = column == 0 || column + 1 + size > HELP_WIDTH;
        if (breaks)
            column = printf("%s%*s%.*s", column ? "\n" : "", HELP_INDENT, "", size, text) - (column > 0);
        else
            column += printf(" %.*s", size, text);
        text += size + (text[size] == ' ');
    }
    putchar('\n');
}

static void print_flag(const struct config_key *key) {
    printf("  --%s", key->name);
    for (const char *const *also = key->also; also && *also; also++)
        printf(", --%s", *also);
    printf("   (default: %s)\n", *key->default_text ? key->default_text : "none");
    print_wrapped(key->description);
}

static void print_help(void) {
    const char *section = "";
    printf(
        "usage: strata server [--config FILE] [--check-config] [--KEY VALUE | --KEY=VALUE]...\n\n"
        "Runs the cache server in the foreground, with sensible defaults for everything.\n\n"
        "  --config FILE\n      Read keys from a YAML file first. Also STRATA_CONFIG.\n"
        "  --check-config\n      Say what is wrong with the configuration, or what it comes to, and stop.\n"
        "  --help, -h\n      Print this.\n"
        "  --version\n      Say which version this is.\n\n"
        "Every key is a line of the file (KEY: VALUE), a variable of the environment (STRATA_KEY, '-' written as '_')\n"
        "and a flag (--KEY). The file is read first, then the environment, then the flags; the last one wins.\n"
        "Named stores, which divide the memory among kinds of keys, are a section 'stores:' of the file.\n");
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->type == CONFIG_TYPE_FIXED)
            continue;
        if (strcmp(section, key->section) != 0)
            printf("\n%s\n\n", section = key->section);
        print_flag(key);
    }
}

/* ------------------------------------------------------------------ --check-config */

static void print_stores(const struct config *config) {
    const struct config_stores *stores = &config->stores;
    char name[48], said[160];
    for (uint32_t i = 0; i < stores->count; i++) {
        snprintf(name, sizeof name, "stores.%s", stores->each[i].name);
        printf("  %-28s %-32s %s:%u:%u\n", name, config_store_text(stores, i, said, sizeof said), config->file,
               config->store_places[i].line, config->store_places[i].column);
        for (uint32_t j = 0; j < stores->each[i].pattern_count; j++) {
            struct slice pattern = config_store_pattern(stores, i, j);
            printf("      %.*s\n", (int)pattern.size, (const char *)pattern.data);
        }
    }
}

static void print_checked(const struct config *config) {
    static const char *const sources[] = {"default", NULL, "environment", "flag", "running"};
    char text[CONFIG_TEXT_MAX + 1], size[32];
    printf("The configuration is good.\n");
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_origin *origin = &config->origins[i];
        if (config_keys[i].type == CONFIG_TYPE_FIXED)
            continue;
        config_text(config, (enum config_key_id)i, text, sizeof text);
        if (config_keys[i].type == CONFIG_TYPE_SIZE)
            snprintf(text, sizeof text, "%s", config_size_text(strtoull(text, NULL, 10), size, sizeof size));
        if (config_keys[i].secret && *text)
            snprintf(text, sizeof text, "(hidden)");
        printf("  %-28s %-32s ", config_keys[i].name, *text ? text : "\"\"");
        if (origin->source == CONFIG_FROM_FILE)
            printf("%s:%u:%u\n", config->file, origin->line, origin->column);
        else
            printf("%s\n", sources[origin->source]);
    }
    print_stores(config);
}

/* ----------------------------------------------------------------------- starting */

/* What is listened on: a port, on which addresses, and the key that says so. */
struct door {
    const char *key, *kind;
    int64_t port;
    const struct config_list *bind;
};

enum { DOORS = 4 };

static void list_doors(const struct config *config, struct door ret_doors[DOORS]) {
    const struct config_values *values = &config->values;
    const struct config_list *http_bind = values->http_bind.count ? &values->http_bind : &values->bind;
    ret_doors[0] = (struct door){"port", "", values->port, &values->bind};
    ret_doors[1] = (struct door){"tls-port", " (TLS)", values->tls_port, &values->bind};
    ret_doors[2] = (struct door){"http-port", " (HTTP)", values->http_port, http_bind};
    ret_doors[3] = (struct door){"http-tls-port", " (HTTPS)", values->http_tls_port, http_bind};
}

static void tell_taken(const struct door *door, const char *address) {
    struct port_owner owner;
    int port = (int)door->port;
    bool found = port_owner_find((uint16_t)port, &owner);
    fprintf(stderr, "strata: port %d on %s is taken", port, address);
    if (found && owner.process_id)
        fprintf(stderr, " by %s (process %d)", owner.name[0] ? owner.name : "a program", owner.process_id);
    else if (found)
        fprintf(stderr, " by a program of another user");
    fprintf(stderr, ".\nUse another one: strata server --%s %d\n", door->key, port < 65535 ? port + 1 : port - 1);
}

/* The address that is taken, as it is written in `bind`; NULL: none is. */
static const char *find_taken(const struct door *door) {
    for (uint32_t i = 0; i < door->bind->count && door->port; i++) {
        const char *address = door->bind->items[i];
        uint16_t port;
        if (*address == '-')
            address++;
        if (socket_port_probe(address, (uint16_t)door->port, &port) == STATUS_BUSY)
            return address;
    }
    return NULL;
}

static bool share_address(const struct config_list *one, const struct config_list *other) {
    for (uint32_t i = 0; i < one->count; i++)
        for (uint32_t k = 0; k < other->count; k++)
            if (strcmp(one->items[i], other->items[k]) == 0)
                return true;
    return false;
}

/* Looked at before the server starts, so that the answer is a sentence and not a line of a log. False: told. */
static bool ports_are_free(const struct config *config) {
    struct door doors[DOORS];
    list_doors(config, doors);
    for (int i = 0; i < DOORS; i++) {
        const char *address = find_taken(&doors[i]);
        if (address) {
            tell_taken(&doors[i], address);
            return false;
        }
        for (int k = 0; k < i; k++) {
            if (!doors[i].port || doors[i].port != doors[k].port || !share_address(doors[i].bind, doors[k].bind))
                continue;
            fprintf(stderr, "strata: %s and %s are both %d, and each needs a port of its own.\n", doors[k].key,
                    doors[i].key, (int)doors[i].port);
            return false;
        }
    }
    return true;
}

/* The folder is about to change, and CONFIG REWRITE comes later. */
static void make_file_absolute(struct config *config) {
    char *path = config->file[0] ? realpath(config->file, NULL) : NULL;
    if (path && strlen(path) <= CONFIG_PATH_MAX)
        snprintf(config->file, sizeof config->file, "%s", path);
    free(path);
}

static bool enter_folder_and_log(struct config *config) {
    make_file_absolute(config);
    if (strcmp(config->values.dir, ".") != 0 && chdir(config->values.dir) != 0) {
        fprintf(stderr, "strata: dir: %s: %s\n", config->values.dir, strerror(errno));
        return false;
    }
    log_form_set(config->values.log_format == CONFIG_LOG_FORMAT_JSON ? LOG_JSON : LOG_TEXT);
    if (log_open(config->values.logfile) != STATUS_OK) {
        fprintf(stderr, "strata: logfile: %s: %s\n", config->values.logfile, strerror(errno));
        return false;
    }
    return true;
}

/* As the server would find them, from its folder. */
static bool are_rules_good(const struct config *config) {
    const char *path = config->values.rules;
    char from_here[2 * CONFIG_PATH_MAX + 2];
    snprintf(from_here, sizeof from_here, "%s/%s", config->values.dir, path);
    return !path[0] || manifest_file_is_good(path[0] == '/' ? path : from_here);
}

/* Certificates and users, the same. */
static bool is_access_good(const struct config *config) {
    struct buf reason;
    buf_init(&reason, &memory_libc);
    bool entered = chdir(config->values.dir) == 0;
    bool good = entered && server_check(config, &reason);
    if (!entered)
        fprintf(stderr, "strata: dir: %s: %s\n", config->values.dir, strerror(errno));
    else if (!good)
        fprintf(stderr, "strata: %.*s\n", (int)reason.size, reason.size ? (const char *)reason.data : "");
    buf_fini(&reason);
    return good;
}

static void print_door(const struct door *door, unsigned port, const char **between) {
    for (uint32_t i = 0; port && i < door->bind->count; i++) {
        const char *address = door->bind->items[i] + (door->bind->items[i][0] == '-');
        bool six = strchr(address, ':') != NULL;
        printf("%s%s%s%s:%u%s", *between, six ? "[" : "", address, six ? "]" : "", port, door->kind);
        *between = ", ";
    }
}

static void print_address(const struct config *config, unsigned port, unsigned tls_port) {
    struct door doors[DOORS];
    const char *between = "";
    list_doors(config, doors);
    const unsigned ports[DOORS] = {port, tls_port, (unsigned)doors[2].port, (unsigned)doors[3].port};
    printf("Strata is ready on ");
    for (int i = 0; i < DOORS; i++)
        print_door(&doors[i], ports[i], &between);
    printf("%s%s\n", config->values.unixsocket[0] ? between : "", config->values.unixsocket);
}

/* The dashboard, where a browser on this machine finds it. */
static void print_page(const struct config *config) {
    struct door doors[DOORS];
    list_doors(config, doors);
    const struct door *door = doors[2].port ? &doors[2] : &doors[3];
    if (!door->port || dashboard_file_count == 0)
        return;
    const char *address = door->bind->items[0] + (door->bind->items[0][0] == '-');
    if (strcmp(address, "*") == 0 || strcmp(address, "::*") == 0 || socket_address_is_loopback(address))
        address = "localhost";
    bool six = strchr(address, ':') != NULL;
    printf("  page     %s://%s%s%s:%d/\n", door == doors + 2 ? "http" : "https", six ? "[" : "", address,
           six ? "]" : "", (int)door->port);
}

/* How somebody tries it. */
static void print_talk(const struct config *config, unsigned port, unsigned tls_port) {
    const char *secret = config->values.requirepass[0] ? " -a PASSWORD" : "";
    const char *authority = config->values.tls_ca_cert_file;
    if (port)
        printf("  talk     redis-cli -p %u%s", port, secret);
    else if (tls_port)
        printf("  talk     redis-cli -p %u --tls --cacert %s%s%s", tls_port, authority[0] ? authority : "CA-FILE",
               config->values.tls_auth_clients == CONFIG_TLS_AUTH_CLIENTS_YES ? " --cert FILE --key FILE" : "", secret);
    else
        printf("  talk     redis-cli -s %s%s", config->values.unixsocket, secret);
    printf(", or strata cli with the same\n");
}

static void print_start(const struct config *config, unsigned port, unsigned tls_port) {
    char text[32];
    print_address(config, port, tls_port);
    printf("  version  %s, process %d\n", STRATA_VERSION, (int)getpid());
    printf("  memory   %s at most, policy %s", config_size_text(config->values.maxmemory_bytes, text, sizeof text),
           config_keys[CONFIG_MAXMEMORY_POLICY].choices[config->values.maxmemory_policy]);
    for (uint32_t i = 0; i < config->stores.count; i++)
        printf("%s%s", i ? ", " : "; stores: ", config->stores.each[i].name);
    putchar('\n');
    print_talk(config, port, tls_port);
    print_page(config);
    printf("  stop     Ctrl-C, or kill %d, or the command SHUTDOWN\n", (int)getpid());
    fflush(stdout);
}

/* `ret_api` is NULL where nothing is served. */
static enum status serve_http(const struct config *config, struct server *server, struct http *http,
                              struct api **ret_api) {
    *ret_api = NULL;
    if (!http_loop_of(http))
        return STATUS_OK;
    TRY(api_new(server, http_loop_of(http), &config->values, ret_api));
    static struct dashboard dashboard; /* lives as long as HTTP is served */
    dashboard = (struct dashboard){api_handler(*ret_api), dashboard_files, dashboard_file_count};
    const struct http_handler handler = dashboard_handler(&dashboard);
    enum status status = http_run(http, server, &handler);
    if (status != STATUS_OK)
        api_free(*ret_api);
    return status;
}

/* The server, and HTTP beside it. */
static enum status start(const struct config *config, struct server **ret_server, struct http **ret_http,
                         struct api **ret_api) {
    TRY(http_open(config, ret_http));
    enum status status = server_start(config, ret_server);
    if (status != STATUS_OK) {
        http_free(*ret_http);
        return status;
    }
    status = serve_http(config, *ret_server, *ret_http, ret_api);
    if (status != STATUS_OK) {
        server_free(*ret_server);
        http_free(*ret_http);
    }
    return status;
}

static int run(struct config *config) {
    struct server *server;
    struct http *http;
    struct api *api;
    if (!ports_are_free(config))
        return 1;
    if (!enter_folder_and_log(config))
        return 1;
    enum status status = start(config, &server, &http, &api);
    if (status == STATUS_BUSY && !ports_are_free(config))
        return 1;
    if (status != STATUS_OK && config->values.rules[0] && !manifest_file_is_good(config->values.rules))
        return 1; /* told what is wrong */
    if (status != STATUS_OK) {
        /* An error in the configuration has been told of in words. */
        if (status == STATUS_INVALID)
            fprintf(stderr, "strata: the server does not start: the log says what to change\n");
        else if (status == STATUS_IO || status == STATUS_BUSY) /* says too little, and can mislead */
            fprintf(stderr, "strata: the server does not start: the log says why\n");
        else
            fprintf(stderr, "strata: the server does not start: %s; the log says more\n", status_text(status));
        return 1;
    }
    print_start(config, server_port(server), server_tls_port(server));
    server_wait(server);
    /* It stops in order. Who asks for that once more does not make it an end by a signal. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    http_stop(http); /* it asks the server, so it ends first */
    api_free(api);
    bool whole = server_is_whole(server);
    server_free(server);
    http_free(http);
    if (!whole)
        fprintf(stderr, "strata: the server does not start: what was kept cannot be loaded\n");
    return whole ? 0 : 1;
}

/* Other users of the machine see the command line: what is secret is taken off it. */
static void hide_secrets(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        const size_t size = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const enum config_key_id id = size > 2 ? config_find(slice_make(argv[i] + 2, size - 2)) : CONFIG_KEY_COUNT;
        char *value = equals ? equals + 1 : i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] == '-' && id < CONFIG_KEY_COUNT && config_keys[id].secret && value)
            memset(value, '*', strlen(value));
    }
}

int cli_server(int argc, char **argv) {
    static struct config config;
    struct config_machine machine = {process_memory_total_bytes(), thread_cores()};
    struct config_request request;
    struct config_error error;
    if (argc == 1 && strcmp(argv[0], "--version") == 0)
        return cli_version(0, NULL);
    if (argc == 1 && strcmp(argv[0], "-h") == 0) {
        print_help();
        return 0;
    }
    enum status status = config_load(&config, &request, &machine, environ, argc, argv, &memory_libc, &error);
    hide_secrets(argc, argv);
    if (status == STATUS_OK && request.help) {
        print_help();
        return 0;
    }
    if (status == STATUS_OK)
        status = config_check_paths(&config, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (request.check) {
        if (!are_rules_good(&config) || !is_access_good(&config))
            return 1;
        print_checked(&config);
        return 0;
    }
    return run(&config);
}
