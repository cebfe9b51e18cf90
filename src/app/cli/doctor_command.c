/* app/cli/doctor_command.c: `strata doctor`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cli/cli.h"
#include "app/cli/doctor_system.h"
#include "sys/os/files.h"
#include "sys/wal/doctor.h"

enum { EXIT_GOOD = 0, EXIT_DAMAGED = 1, EXIT_UNREADABLE = 2 };

struct options {
    const char *path, *config;
    bool repair, system, json, help;
};

static void print_help(void) {
    printf(
        "usage: strata doctor [--repair] DIRECTORY\n"
        "       strata doctor --system [--config FILE] [--json]\n\n"
        "Reads the log and the snapshots of a server that does not run, and says whether one would start with them.\n\n"
        "  --repair\n      Makes a damaged directory usable again. What cannot be used is set aside as NAME.damaged, "
        "never\n"
        "      removed, and what is lost is said.\n"
        "  --system\n      Looks at the machine instead: memory, limits, clock and the disk of dir, for a server with "
        "the "
        "configuration\n"
        "      of the environment and FILE. Each finding has a severity, a reason, and what mends it.\n"
        "  --config FILE\n      The server's configuration, for --system.\n"
        "  --json\n      One line of JSON, for --system.\n"
        "  --help\n      Print this.\n\n"
        "The exit code is 0 if a server would start (with --repair: now), 1 if not, 2 if the directory cannot be read "
        "or is\n"
        "in use. With --system it is 0 if there are notes at most, 1 if there are warnings or errors, 2 if the "
        "configuration\n"
        "is wrong.\n");
}

static bool wrong(const char *what, const char *word) {
    fprintf(stderr, "strata doctor: %s%s%s: 'strata doctor --help' lists the flags\n", what, word[0] ? " " : "", word);
    return false;
}

static bool is_complete(const struct options *options) {
    if (options->help)
        return true;
    if (options->system)
        return (!options->path && !options->repair) || wrong("--system takes no directory and repairs nothing", "");
    if (options->config || options->json)
        return wrong("--config and --json are for --system", "");
    if (!options->path)
        fprintf(stderr, "strata doctor: which directory? 'strata doctor DIRECTORY'\n");
    return options->path;
}

/* False: told what is wrong. */
static bool read_options(int argc, char **argv, struct options *ret_options) {
    *ret_options = (struct options){0};
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            ret_options->help = true;
        } else if (strcmp(word, "--repair") == 0) {
            ret_options->repair = true;
        } else if (strcmp(word, "--system") == 0) {
            ret_options->system = true;
        } else if (strcmp(word, "--json") == 0) {
            ret_options->json = true;
        } else if (strcmp(word, "--config") == 0 && i + 1 < argc) {
            ret_options->config = argv[++i];
        } else if (strncmp(word, "--config=", 9) == 0) {
            ret_options->config = word + 9;
        } else if (word[0] == '-') {
            fprintf(stderr, "strata doctor: unknown flag '%s': 'strata doctor --help' lists them\n", word);
            return false;
        } else if (ret_options->path) {
            fprintf(stderr, "strata doctor: one directory at a time, but was given '%s' too\n", word);
            return false;
        } else {
            ret_options->path = word;
        }
    }
    return is_complete(ret_options);
}

/* A directory that may only be read has no server that writes, and is read without its lock. */
static bool lock(struct directory *directory, const struct options *options) {
    int owner = 0;
    enum status status = directory_lock(directory, &owner);
    if (status == STATUS_BUSY && owner)
        fprintf(stderr, "strata doctor: %s is in use by process %d; stop that first\n", options->path, owner);
    else if (status == STATUS_BUSY)
        fprintf(stderr, "strata doctor: %s is in use; stop the server first\n", options->path);
    else if (status != STATUS_OK && (options->repair || files_cause(errno) != FILES_DENIED))
        fprintf(stderr, "strata doctor: %s cannot be locked: %s\n", options->path, strerror(errno));
    else
        return true;
    return false;
}

/* What backups a directory has, which are directories themselves; none if there is anything of a server's own. */
struct backups {
    uint64_t count;
    bool has_own;
    char newest[FILES_NAME_MAX + 1];
};

static enum status see_name(void *context, const char *name) {
    struct backups *backups = context;
    size_t size = strlen(name);
    if (strncmp(name, "log-", 4) == 0 || strncmp(name, "snapshot-", 9) == 0)
        backups->has_own = true;
    if (strncmp(name, "backup-", 7) != 0 || size > FILES_NAME_MAX ||
        (size > 5 && strcmp(name + size - 5, ".part") == 0))
        return STATUS_OK;
    backups->count++;
    if (strcmp(name, backups->newest) > 0)
        memcpy(backups->newest, name, size + 1);
    return STATUS_OK;
}

/* A server would start there, but empty: that is hardly what is asked for. */
static bool is_of_backups(const struct files *files, const struct options *options) {
    struct backups backups = {.count = 0};
    if (files->list(files->context, see_name, &backups) != STATUS_OK || backups.has_own || backups.count == 0)
        return false;
    printf("%s is no directory of a server, but of %llu backups: 'strata doctor %s/%s' looks at the newest\n",
           options->path, (unsigned long long)backups.count, options->path, backups.newest);
    return true;
}

static int look(const struct files *files, const struct options *options) {
    struct doctor doctor;
    doctor_init(&doctor, files, &memory_libc);
    enum status status = doctor_examine(&doctor);
    bool damaged = status == STATUS_CORRUPT;
    if (damaged && options->repair)
        status = doctor_repair(&doctor);
    fwrite(doctor.text.data, 1, doctor.text.size, stdout);
    int code = status == STATUS_OK ? EXIT_GOOD : status == STATUS_CORRUPT ? EXIT_DAMAGED : EXIT_UNREADABLE;
    if (status == STATUS_OK)
        printf(damaged ? "repaired: a server starts with this directory now\n"
                       : "good: a server starts with this directory\n");
    else if (status == STATUS_CORRUPT && !options->repair)
        printf("damaged: a server does not start; 'strata doctor --repair %s' keeps what can be used\n", options->path);
    else if (status == STATUS_CORRUPT)
        printf("damaged: it cannot be repaired\n");
    else
        fprintf(stderr, "strata doctor: nothing more was done: %s\n", status_text(status));
    doctor_fini(&doctor);
    return code;
}

int cli_doctor(int argc, char **argv) {
    struct options options;
    struct directory directory;
    if (!read_options(argc, argv, &options))
        return EXIT_UNREADABLE;
    if (options.help) {
        print_help();
        return EXIT_GOOD;
    }
    if (options.system)
        return doctor_system(options.config, options.json);
    if (directory_open(options.path, false, &directory) != STATUS_OK) {
        fprintf(stderr, "strata doctor: %s: %s\n", options.path, strerror(errno));
        return EXIT_UNREADABLE;
    }
    int code = EXIT_UNREADABLE;
    if (!is_of_backups(&directory.files, &options) && lock(&directory, &options))
        code = look(&directory.files, &options);
    directory_close(&directory);
    if (fflush(stdout) != 0)
        code = EXIT_UNREADABLE;
    return code;
}
