/* app/yaml/yaml_text.h: a YAML text as a document with places.
 *
 * Size, depth and number of values are bounded before the document is built; anchors and aliases are refused, so that each value stands in one
 * place, and so are second documents.
 *
 * Threads: no state.
 * Memory:  libyaml takes its own from malloc; yaml_text_close gives it back. The text has to live as long only while it is opened.
 * Errors:  STATUS_INVALID and STATUS_NO_MEMORY fill ret_problem, and then nothing is open.
 */
#ifndef STRATA_APP_YAML_YAML_TEXT_H
#define STRATA_APP_YAML_YAML_TEXT_H

#include <yaml.h>

#include "base/slice.h"
#include "base/status.h"

struct yaml_text {
    yaml_document_t document;
    yaml_node_t *root; /* a mapping, or NULL when the text says nothing */
};

struct yaml_text_limits {
    size_t size_max;
    int depth_max, nodes_max; /* nested lists and maps; values */
};

struct yaml_text_problem {
    uint32_t line, column; /* begin at 1; line 0: the whole text */
    char text[256];
};

MUST_CHECK enum status yaml_text_open(struct yaml_text *yaml, struct slice text, const struct yaml_text_limits *limits,
                                      struct yaml_text_problem *ret_problem);
void yaml_text_close(struct yaml_text *yaml);

/* Walks a mapping; `at` begins at 0. False at the end. */
bool yaml_text_pair(struct yaml_text *yaml, const yaml_node_t *mapping, size_t *at, yaml_node_t **ret_key,
                    yaml_node_t **ret_value);

/* Walks a list. */
bool yaml_text_item(struct yaml_text *yaml, const yaml_node_t *list, size_t *at, yaml_node_t **ret_item);

/* The bytes of a scalar. */
struct slice yaml_text_scalar(const yaml_node_t *node);

/* Whether nothing stands behind the key, not even "". */
bool yaml_text_says_nothing(const yaml_node_t *node);

#endif
