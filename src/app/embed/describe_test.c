#include "app/embed/describe.h"

#include "base/bits.h"
#include "unit.h"

static struct description parsed(const char *text) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct description description;
    if (describe_parse(slice_from_string(text), problem, &description) != STATUS_OK)
        fail_msg("%s: %s", text, problem);
    return description;
}

static void descriptions_are_read(void **state) {
    (void)state;
    assert_int_equal(parsed("memory").limit_bytes, 0);
    assert_int_equal(parsed("memory:64mb").limit_bytes, 64 << 20);
    struct description d = parsed("memory:2gib,entries=10,ttl=1m,max=3gb,shards=8,policy=expiring-soon");
    assert_true(d.limit_bytes == 2ull << 30 && d.limit_max_bytes == 3ull << 30);
    assert_int_equal(d.entries_max, 10);
    assert_int_equal(d.ttl_ms, 60000);
    assert_int_equal(d.shards, 8);
    assert_true(d.policy_said && d.policy == STRATA_EVICT_EXPIRING_SOON);
    assert_int_equal(parsed("memory:100kb").limit_bytes, 102400);
    assert_int_equal(parsed("memory:1048576").limit_bytes, 1 << 20);
    assert_int_equal(parsed("memory:ttl=250ms").ttl_ms, 250);
    assert_int_equal(parsed("memory:entries=1000").entries_max, 1000);
    assert_int_equal(parsed("memory,entries=1000").entries_max, 1000);
    d = parsed("memory:policy=default");
    assert_true(d.policy_said && d.policy == STRATA_EVICT_DEFAULT);
}

static void files_behind_memory_are_read(void **state) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct description d;
    (void)state;
    assert_int_equal(
        describe_parse(SLICE("memory:64mb,entries=99  file:/a:b/c:1gb,promote=3,rate=1mb,idle=2m,access=mmap "),
                       problem, &d),
        STATUS_OK);
    assert_true(slice_equal(d.file, SLICE("/a:b/c")));
    assert_true(d.limit_bytes == 64 << 20 && d.entries_max == 99);
    assert_true(d.file_bytes == 1 << 30 && d.file_promote_hits == 3 && d.file_rate_bytes == 1 << 20);
    assert_int_equal(d.file_idle_ms, 120000);
    assert_true(d.file_access_said && d.file_access == STRATA_FILE_MMAP);
    d = parsed("memory file:/a:1gb,access=direct");
    assert_true(d.file_access_said && d.file_access == STRATA_FILE_DIRECT);
    assert_false(parsed("memory file:/a:1gb").file_access_said);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "begins with no kind of tier"},
        {"disk:1gb", "begins with no kind of tier"},
        {"memor", "begins with no kind of tier"},
        {"memory64mb", "behind 'memory' stands '64mb'"},
        {"memory:", "'' is not a size"},
        {"memory:0", "'0' is not a size"},
        {"memory:64", NULL},
        {"memory:64mb,", "'' is not a setting"},
        {"memory:64mb,,entries=10", "'' is not a setting"},
        {"memory:64mb,32mb", "'32mb' is not a setting"},
        {"memory,64mb", "'64mb' is not a setting"},
        {"memory:64mb entries=10", "'entries=10' begins with no kind of tier: file"},
        {"memory:entries=9", "entries '9' is not a number from 10"},
        {"memory:entries=x", "entries 'x' is not a number"},
        {"memory:entries=10,entries=10", "entries stands there twice"},
        {"memory:ttl=0", "ttl '0' is not a time"},
        {"memory:ttl=10", "ttl '10' is not a time"},
        {"memory:1.5mb", "'1.5mb' is not a size"},
        {"memory:64 mb", "'mb' begins with no kind of tier: file"},
        {"memory:99999999999999999999", "is not a size"},
        {"memory:shards=3", "shards '3' is not a power of two"},
        {"memory:shards=512", "not a number from 1 to 256"},
        {"memory:max=", "max '' is not a size"},
        {"memory:policy=mru", "policy 'mru' is none of default"},
        {"memory:color=red", "there is no setting 'color'"},
        {"memory:=1", "there is no setting ''"},
        {"memory:1mb file:/a:1gb,", "'' is not a setting, as in promote=2"},
        {"memory:1mb file:/a:1gb,access=pread", "access 'pread' is none of direct, mmap"},
        {"memory:1mb file::1gb", "not a path and a size"},
        {"file:/a:1gb", "begins with no kind of tier: memory"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char problem[STRATA_ERROR_TEXT_SIZE] = "";
        struct description description = {.shards = 77};
        enum status status = describe_parse(slice_from_string(wrong[i].text), problem, &description);
        if (!wrong[i].says) {
            assert_int_equal(status, STATUS_OK);
            continue;
        }
        assert_int_equal(status, STATUS_INVALID);
        assert_int_equal(description.shards, 77); /* untouched */
        if (!strstr(problem, wrong[i].says))
            fail_msg("%s: \"%s\" does not say: %s", wrong[i].text, problem, wrong[i].says);
    }
}

UNIT_TESTS(describe, UNIT(descriptions_are_read), UNIT(files_behind_memory_are_read), UNIT(what_is_wrong_is_said));
