#include "sys/os/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

struct place {
    char path[64];
    struct directory directory;
    const struct files *files;
};

static void place_make(struct place *place) {
    snprintf(place->path, sizeof place->path, "/tmp/strata-files-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(directory_open(place->path, false, &place->directory), STATUS_OK);
    place->files = &place->directory.files;
}

static enum status remove_one(void *context, const char *name) {
    struct place *place = context;
    unlinkat(place->directory.fd, name, 0);
    return STATUS_OK;
}

static void place_remove(struct place *place) {
    assert_int_equal(place->files->list(place->files->context, remove_one, place), STATUS_OK);
    directory_close(&place->directory);
    assert_int_equal(rmdir(place->path), 0);
}

static void bytes_come_back_from_where_they_were_written(void **state) {
    struct place place;
    place_make(&place);
    const struct files *files = place.files;
    int file, again;
    assert_int_equal(files->open(files->context, "a", FILES_NEW, &file), STATUS_OK);
    assert_int_equal(files_write(files, file, 0, "one two", 7), STATUS_OK);
    assert_int_equal(files_write(files, file, 4, "six", 3), STATUS_OK);
    assert_int_equal(files_write(files, file, 10, "!", 1), STATUS_OK);
    assert_int_equal(files->sync(files->context, file), STATUS_OK);
    assert_int_equal(files->sync_directory(files->context), STATUS_OK);
    assert_int_equal(files->open(files->context, "a", FILES_READ, &again), STATUS_OK);
    char bytes[32];
    size_t size = 0;
    assert_int_equal(files->read(files->context, again, 0, bytes, sizeof bytes, &size), STATUS_OK);
    assert_int_equal(size, 11);
    assert_memory_equal(bytes, "one six\0\0\0!", 11);
    assert_int_equal(files_read(files, again, 8, bytes, 3), STATUS_OK);
    assert_int_equal(files_read(files, again, 8, bytes, 4), STATUS_CORRUPT);
    uint64_t length = 0;
    assert_int_equal(files->truncate(files->context, file, 3), STATUS_OK);
    assert_int_equal(files->size(files->context, again, &length), STATUS_OK);
    assert_int_equal(length, 3);
    files->close(files->context, file);
    files->close(files->context, again);
    place_remove(&place);
}

static void reserved_room_is_no_size(void **state) {
    struct place place;
    place_make(&place);
    const struct files *files = place.files;
    int file;
    assert_int_equal(files->open(files->context, "a", FILES_NEW, &file), STATUS_OK);
    assert_int_equal(files->reserve(files->context, file, 1 << 20), STATUS_OK);
    uint64_t size = 1, room = 0;
    assert_int_equal(files->size(files->context, file, &size), STATUS_OK);
    assert_int_equal(size, 0);
    struct stat found;
    assert_int_equal(fstat(file, &found), 0);
    assert_true(found.st_blocks * 512 >= 1 << 20 || found.st_blocks == 0);
    assert_int_equal(files->truncate(files->context, file, 0), STATUS_OK);
    assert_int_equal(fstat(file, &found), 0);
    assert_int_equal(found.st_blocks, 0);
    assert_int_equal(files->room(files->context, &room), STATUS_OK);
    assert_true(room > 0);
    files->close(files->context, file);
    place_remove(&place);
}

static enum status count_one(void *context, const char *name) {
    ++*(unsigned *)context;
    return strcmp(name, "stop") == 0 ? STATUS_CLOSED : STATUS_OK;
}

/* File systems that cannot do it say EINVAL, and nothing else. */
static void file_is_read_past_the_page_cache_or_refused_so(void **state) {
    struct place place;
    place_make(&place);
    const struct files *files = place.files;
    uint8_t *block = aligned_alloc(4096, 4096);
    int file = -1, direct = -1;
    size_t size = 0;
    assert_true(files->is_kernel);
    assert_int_equal(files->open(files->context, "a", FILES_DIRECT, &direct), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_ABSENT);
    assert_int_equal(files->open(files->context, "a", FILES_NEW, &file), STATUS_OK);
    memset(block, 'a', 4096);
    assert_int_equal(files_write(files, file, 0, block, 4096), STATUS_OK);
    assert_int_equal(files->sync(files->context, file), STATUS_OK);
    enum status status = files->open(files->context, "a", FILES_DIRECT, &direct);
    if (status == STATUS_OK) {
        assert_true(fcntl(direct, F_GETFL) & O_DIRECT);
        memset(block, 0, 4096);
        status = files->read(files->context, direct, 0, block, 4096, &size);
        assert_true(status != STATUS_OK || (size == 4096 && block[0] == 'a' && block[4095] == 'a'));
        files->close(files->context, direct);
    }
    assert_true(status == STATUS_OK || errno == EINVAL);
    files->close(files->context, file);
    free(block);
    place_remove(&place);
}

static void names_come_go_and_replace_each_other(void **state) {
    struct place place;
    place_make(&place);
    const struct files *files = place.files;
    int file;
    assert_int_equal(files->open(files->context, "old", FILES_NEW, &file), STATUS_OK);
    files->close(files->context, file);
    assert_int_equal(files->open(files->context, "new", FILES_NEW, &file), STATUS_OK);
    assert_int_equal(files_write(files, file, 0, "x", 1), STATUS_OK);
    files->close(files->context, file);
    assert_int_equal(files->rename(files->context, "new", "old"), STATUS_OK);
    assert_int_equal(files->open(files->context, "old", FILES_WRITE, &file), STATUS_OK);
    uint64_t size = 0;
    assert_int_equal(files->size(files->context, file, &size), STATUS_OK);
    assert_int_equal(size, 1);
    files->close(files->context, file);
    unsigned count = 0;
    assert_int_equal(files->list(files->context, count_one, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(files->open(files->context, "stop", FILES_NEW, &file), STATUS_OK);
    files->close(files->context, file);
    assert_int_equal(files->list(files->context, count_one, &count), STATUS_CLOSED);
    assert_int_equal(files->remove(files->context, "stop"), STATUS_OK);
    assert_int_equal(files->remove(files->context, "stop"), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_ABSENT);
    place_remove(&place);
}

static void each_refusal_has_its_cause(void **state) {
    struct place place;
    place_make(&place);
    const struct files *files = place.files;
    int file = -7;
    assert_int_equal(files->open(files->context, "a", FILES_WRITE, &file), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_ABSENT);
    assert_int_equal(file, -7);
    assert_int_equal(files->open(files->context, "a", FILES_NEW, &file), STATUS_OK);
    files->close(files->context, file);
    assert_int_equal(files->open(files->context, "a", FILES_NEW, &file), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_EXISTS);
    /* A link could lead out of the directory. */
    assert_int_equal(symlinkat("a", place.directory.fd, "link"), 0);
    assert_int_equal(files->open(files->context, "link", FILES_WRITE, &file), STATUS_IO);
    assert_int_equal(files->open(files->context, "a", FILES_READ, &file), STATUS_OK);
    size_t written;
    assert_int_equal(files->write(files->context, file, 0, "x", 1, &written), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_BROKEN);
    files->close(files->context, file);
    assert_int_equal(files_cause(ENOSPC), FILES_NO_ROOM);
    assert_int_equal(files_cause(EDQUOT), FILES_NO_ROOM);
    assert_int_equal(files_cause(EACCES), FILES_DENIED);
    assert_int_equal(files_cause(EROFS), FILES_DENIED);
    assert_int_equal(files_cause(EIO), FILES_BROKEN);
    struct directory none;
    assert_int_equal(directory_open("/nonexistent/strata", false, &none), STATUS_IO);
    assert_int_equal(files_cause(errno), FILES_ABSENT);
    assert_int_equal(directory_open("/nonexistent/strata", true, &none), STATUS_IO);
    place_remove(&place);
}

/* In a child, whose limit of a file's size stands for a disk: the kernel writes what fits and then refuses. */
static int write_beyond_limit(const struct files *files) {
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
    int file;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || files->open(files->context, "a", FILES_NEW, &file) != STATUS_OK)
        return 1;
    char bytes[1500] = {0};
    size_t written = 0;
    if (files->write(files->context, file, 0, bytes, sizeof bytes, &written) != STATUS_OK || written != 1000)
        return 2;
    if (files_write(files, file, 0, bytes, sizeof bytes) != STATUS_FULL || files_cause(errno) != FILES_NO_ROOM)
        return 3;
    return 0;
}

static void short_write_goes_on_until_there_is_no_room(void **state) {
    struct place place;
    place_make(&place);
    pid_t child = fork();
    if (child == 0)
        _exit(write_beyond_limit(place.files));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    place_remove(&place);
}

static void second_process_is_told_who_holds_the_directory(void **state) {
    struct place place;
    place_make(&place);
    int owner = 0;
    assert_int_equal(directory_lock(&place.directory, &owner), STATUS_OK);
    struct directory second;
    assert_int_equal(directory_open(place.path, true, &second), STATUS_OK);
    assert_int_equal(directory_lock(&second, &owner), STATUS_BUSY);
    assert_int_equal(owner, getpid());
    directory_close(&place.directory);
    assert_int_equal(directory_lock(&second, &owner), STATUS_OK);
    /* One that died without a word holds nothing. */
    directory_close(&second);
    pid_t child = fork();
    if (child == 0) {
        struct directory mine;
        int nobody;
        _exit(directory_open(place.path, false, &mine) == STATUS_OK && directory_lock(&mine, &nobody) == STATUS_OK ? 0
                                                                                                                   : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(directory_open(place.path, false, &place.directory), STATUS_OK);
    place.files = &place.directory.files;
    assert_int_equal(directory_lock(&place.directory, &owner), STATUS_OK);
    place_remove(&place);
}

static void directory_is_made_once(void **state) {
    struct place place;
    place_make(&place);
    char path[96];
    snprintf(path, sizeof path, "%s/data", place.path);
    struct directory made, again;
    assert_int_equal(directory_open(path, true, &made), STATUS_OK);
    assert_int_equal(directory_open(path, true, &again), STATUS_OK);
    directory_close(&made);
    directory_close(&again);
    assert_int_equal(rmdir(path), 0);
    place_remove(&place);
}

UNIT_TESTS(files, UNIT(bytes_come_back_from_where_they_were_written), UNIT(reserved_room_is_no_size),
           UNIT(file_is_read_past_the_page_cache_or_refused_so), UNIT(names_come_go_and_replace_each_other),
           UNIT(each_refusal_has_its_cause), UNIT(short_write_goes_on_until_there_is_no_room),
           UNIT(second_process_is_told_who_holds_the_directory), UNIT(directory_is_made_once));
