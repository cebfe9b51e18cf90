#include "app/cli/doctor_system.h"

#include <errno.h>

#include "unit.h"

static struct system_facts facts;
static struct config_values values;
static struct findings findings;

static void begin(void) {
    facts = (struct system_facts){.overcommit = 0,
                                  .swappiness = 60,
                                  .huge_pages = "madvise",
                                  .clock_source = "tsc",
                                  .somaxconn = 4096,
                                  .files_max = 1 << 20,
                                  .memory_bytes = 16ull << 30,
                                  .disk_free_bytes = 100ull << 30,
                                  .disk_known = true,
                                  .dir_is_writable = true};
    memset(&values, 0, sizeof values);
    values.maxmemory_bytes = 8ull << 30;
    values.maxclients = 10000;
    values.tcp_backlog = 511;
    values.appendonly = true;
}

/* Exactly one finding, with this subject and a command that has `command` in it. */
static void expect(enum finding_severity severity, const char *subject, const char *command) {
    system_judge(&facts, &values, &findings);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.list[0].severity, severity);
    assert_string_equal(findings.list[0].subject, subject);
    assert_non_null(strstr(findings.list[0].command, command));
    assert_true(findings.list[0].reason[0]);
    begin();
}

static void good_systems_have_no_findings(void **state) {
    (void)state;
    begin();
    system_judge(&facts, &values, &findings);
    assert_int_equal(findings.count, 0);
    facts =
        (struct system_facts){.overcommit = SYSTEM_UNKNOWN, .swappiness = SYSTEM_UNKNOWN, .somaxconn = SYSTEM_UNKNOWN};
    values.appendonly = false;
    system_judge(&facts, &values, &findings);
    assert_int_equal(findings.count, 0);
}

static void each_fact_is_judged(void **state) {
    (void)state;
    begin();
    values.maxmemory_bytes = 15ull << 30;
    expect(FINDING_WARNING, "memory", "maxmemory");
    facts.overcommit = 2;
    expect(FINDING_WARNING, "overcommit", "sysctl -w vm.overcommit_memory=0");
    facts.swap_bytes = 1 << 30;
    expect(FINDING_WARNING, "swap", "vm.swappiness=1");
    strcpy(facts.huge_pages, "never");
    expect(FINDING_NOTE, "huge pages", "madvise");
    facts.somaxconn = 128;
    expect(FINDING_WARNING, "backlog", "net.core.somaxconn=511");
    facts.files_max = 1024;
    expect(FINDING_WARNING, "open files", "LimitNOFILE=10064");
    strcpy(facts.clock_source, "hpet");
    expect(FINDING_WARNING, "clock", "tsc");
}

static void the_disk_counts_for_who_keeps_something_there(void **state) {
    (void)state;
    begin();
    strcpy(facts.file_system, "tmpfs");
    expect(FINDING_ERROR, "dir", "disk");
    strcpy(facts.file_system, "overlay");
    expect(FINDING_WARNING, "dir", "volume");
    strcpy(facts.file_system, "nfs");
    expect(FINDING_WARNING, "dir", "this machine");
    facts.dir_is_writable = false;
    expect(FINDING_ERROR, "dir", "");
    facts.disk_free_bytes = 1ull << 30;
    expect(FINDING_WARNING, "disk", "room");
    strcpy(values.warm_file, "warm");
    facts.io_uring_error = EPERM;
    expect(FINDING_NOTE, "io_uring", "kernel.io_uring_disabled=0");
    values.appendonly = false;
    strcpy(facts.file_system, "tmpfs");
    facts.disk_free_bytes = 0;
    facts.io_uring_error = ENOSYS;
    system_judge(&facts, &values, &findings);
    assert_int_equal(findings.count, 0);
}

UNIT_TESTS(doctor_system, UNIT(good_systems_have_no_findings), UNIT(each_fact_is_judged),
           UNIT(the_disk_counts_for_who_keeps_something_there));
