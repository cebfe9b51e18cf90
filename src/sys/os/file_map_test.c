#include "sys/os/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { SIZE = 1 << 20, NOW_MS = 5000 };

struct world {
    int file;
    struct file_map map;
};

static void begin(struct world *world, uint64_t size) {
    char path[] = "/tmp/strata-map-XXXXXX";
    world->file = mkstemp(path);
    assert_true(world->file >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(world->file, (off_t)size), 0);
    assert_int_equal(file_map_open(world->file, size, &memory_libc, &world->map), STATUS_OK);
}

static void end(struct world *world) {
    file_map_close(&world->map);
    assert_null(world->map.bytes);
    close(world->file);
}

static void put(const struct world *world, uint64_t offset, const char *text) {
    assert_int_equal(pwrite(world->file, text, strlen(text), (off_t)offset), strlen(text));
}

static const char *copied(const struct world *world, uint64_t now_ms, uint64_t offset, size_t size) {
    static char text[64];
    memset(text, 0, sizeof text);
    assert_int_equal(file_map_copy(&world->map, now_ms, offset, text, size), STATUS_OK);
    return text;
}

static void what_is_written_is_seen(void **state) {
    struct world world;
    (void)state;
    begin(&world, SIZE + 100);
    put(&world, 4090, "across a page");
    assert_string_equal(copied(&world, NOW_MS, 4090, 13), "across a page");
    put(&world, 4090, "ACROSS A PAGE"); /* read already: the same memory */
    assert_string_equal(copied(&world, NOW_MS, 4090, 13), "ACROSS A PAGE");
    put(&world, SIZE + 97, "end");
    assert_string_equal(copied(&world, NOW_MS, SIZE + 97, 3), "end");
    end(&world);
}

/* The status of a process that copies, or the signal that killed it. */
static int copied_elsewhere(const struct world *world, uint64_t now_ms) {
    int answer;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        struct file_map map;
        signal(SIGBUS, SIG_DFL);
        /* Of its own: a child does not have the parent's. */
        if (file_map_open(world->file, SIZE, &memory_libc, &map) != STATUS_OK ||
            file_map_copy(&map, NOW_MS, SIZE / 2, &byte, 1) != STATUS_OK || ftruncate(world->file, 4096) != 0)
            _exit(100);
        _exit(file_map_copy(&map, now_ms, SIZE / 2, &byte, 1) == STATUS_OK ? 101 : errno == EIO);
    }
    assert_int_equal(waitpid(child, &answer, 0), child);
    assert_int_equal(ftruncate(world->file, SIZE), 0);
    return WIFSIGNALED(answer) ? -WTERMSIG(answer) : WEXITSTATUS(answer);
}

static void what_cannot_be_read_is_an_error_and_no_signal(void **state) {
    struct world world;
    char byte;
    (void)state;
    begin(&world, SIZE);
    assert_int_equal(ftruncate(world.file, 4096), 0);
    errno = 0;
    assert_int_equal(file_map_copy(&world.map, NOW_MS, SIZE / 2, &byte, 1), STATUS_IO);
    assert_int_equal(errno, EIO);
    file_map_ahead(&world.map, NOW_MS, SIZE / 2, 1); /* is only a wish */
    assert_int_equal(file_map_copy(&world.map, NOW_MS, 4000, &byte, 1), STATUS_OK);
    assert_int_equal(ftruncate(world.file, SIZE), 0); /* and no more than that is remembered of it */
    assert_int_equal(file_map_copy(&world.map, NOW_MS, SIZE / 2, &byte, 1), STATUS_OK);
    end(&world);
}

static void a_page_is_read_by_a_call_again_after_a_second(void **state) {
    struct world world;
    (void)state;
    begin(&world, SIZE);
    assert_int_equal(copied_elsewhere(&world, NOW_MS + FILE_MAP_TRUST_MS), 1);
    assert_int_equal(copied_elsewhere(&world, NOW_MS + FILE_MAP_TRUST_MS - 1), -SIGBUS); /* what the header says */
    end(&world);
}

static void pages_that_share_a_mark_are_told_apart(void **state) {
    struct world world;
    char byte;
    (void)state;
    begin(&world, SIZE);
    uint64_t page_size = world.map.page_size;
    world.map.seen_count /= 4; /* as if the file were larger than the table */
    assert_int_equal(file_map_copy(&world.map, NOW_MS, 0, &byte, 1), STATUS_OK);
    assert_int_equal(ftruncate(world.file, (off_t)page_size), 0);
    assert_int_equal(file_map_copy(&world.map, NOW_MS, world.map.seen_count * page_size, &byte, 1), STATUS_IO);
    world.map.seen_count *= 4;
    end(&world);
}

static void *refuse(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context, (void)old, (void)size_old, (void)size_new;
    return NULL;
}

static void what_cannot_be_mapped_is_refused(void **state) {
    const struct memory none = {refuse, NULL};
    struct world world;
    struct file_map map;
    int pipes[2];
    (void)state;
    begin(&world, SIZE);
    assert_int_equal(file_map_open(world.file, SIZE, &none, &map), STATUS_NO_MEMORY);
    assert_int_equal(file_map_open(world.file, 0, &memory_libc, &map), STATUS_INVALID);
    assert_int_equal(file_map_open(world.file, UINT64_MAX, &memory_libc, &map), STATUS_INVALID);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(file_map_open(pipes[0], SIZE, &memory_libc, &map), STATUS_INVALID);
    assert_null(map.bytes);
    file_map_close(&map);
    close(pipes[0]);
    close(pipes[1]);
    end(&world);
}

UNIT_TESTS(file_map, UNIT(what_is_written_is_seen), UNIT(what_cannot_be_read_is_an_error_and_no_signal),
           UNIT(a_page_is_read_by_a_call_again_after_a_second), UNIT(pages_that_share_a_mark_are_told_apart),
           UNIT(what_cannot_be_mapped_is_refused));
