#include "app/rules/manifest_diagnose.h"

#include "app/rules/manifest_yaml.h"

enum status manifest_diagnose(struct slice text, const char *name, enum diagnostics_form form, struct buf *problems,
                              struct rules **ret_rules, struct manifest_counts *ret_counts) {
    struct diagnostics diagnostics;
    struct rules *rules = NULL;
    diagnostics_init(&diagnostics, &memory_libc);
    struct manifest_sink sink = diagnostics_sink(&diagnostics);
    enum status status = manifest_compile(text, &memory_libc, &sink, &rules);
    if (status == STATUS_OK || status == STATUS_INVALID) {
        enum status written = diagnostics_write(&diagnostics, form, name, text, problems);
        status = written == STATUS_OK ? status : written;
    }
    if (ret_counts)
        *ret_counts = (struct manifest_counts){diagnostics.errors, diagnostics.warnings};
    diagnostics_fini(&diagnostics);
    if (status == STATUS_OK)
        *ret_rules = rules;
    else
        rules_free(rules);
    return status;
}
