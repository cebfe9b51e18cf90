/* app/cli/doctor_command.c: `strata doctor`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cli/cli.h"
#include "sys/os/files.h"
#include "sys/wal/doctor.h"

enum { EXIT_GOOD = 0, EXIT_DAMAGED = 1, EXIT_UNREADABLE = 2 };

struct options {
    const char *path;
    bool repair, help;
};

static void print_help(void) {
    printf(
        "usage: strata doctor [--repair] DIRECTORY\n\n"
        "Reads the log and the snapshots of a server that does not run, and says whether one would start with them.\n\n"
        "  --repair\n      Makes a damaged directory usable again. What cannot be used is set aside as NAME.damaged, "
        "never\n"
        "      removed, and what is lost is said.\n"
        "  --help\n      Print this.\n\n"
        "The exit code is 0 if a server would start (with --repair: now), 1 if not, 2 if the directory cannot be read "
        "or is\n"
        "in use.\n");
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
    if (!ret_options->path && !ret_options->help)
        fprintf(stderr, "strata doctor: which directory? 'strata doctor DIRECTORY'\n");
    return ret_options->path || ret_options->help;
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
    if (directory_open(options.path, false, &directory) != STATUS_OK) {
        fprintf(stderr, "strata doctor: %s: %s\n", options.path, strerror(errno));
        return EXIT_UNREADABLE;
    }
    int code = lock(&directory, &options) ? look(&directory.files, &options) : EXIT_UNREADABLE;
    directory_close(&directory);
    if (fflush(stdout) != 0)
        code = EXIT_UNREADABLE;
    return code;
}
