#include "app/yaml/yaml_text.h"

#include <stdarg.h>
#include <stdio.h>

static enum status refuse(struct yaml_text_problem *ret_problem, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status refuse(struct yaml_text_problem *ret_problem, const yaml_mark_t *mark, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_problem->text, sizeof ret_problem->text, format, arguments);
    va_end(arguments);
    ret_problem->line = mark ? (uint32_t)mark->line + 1 : 0;
    ret_problem->column = mark ? (uint32_t)mark->column + 1 : 0;
    return STATUS_INVALID;
}

static enum status no_memory(struct yaml_text_problem *ret_problem) {
    (void)refuse(ret_problem, NULL, "there is no memory to read it");
    return STATUS_NO_MEMORY;
}

static enum status parser_failed(const yaml_parser_t *parser, struct yaml_text_problem *ret_problem) {
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(ret_problem);
    const char *what = parser->problem ? parser->problem : "is not YAML";
    if (parser->error == YAML_READER_ERROR)
        return refuse(ret_problem, NULL, "byte %zu: %s", parser->problem_offset, what);
    bool star = parser->context && strstr(parser->context, "scanning an alias");
    bool colon = strcmp(what, "found unexpected ':'") == 0;
    return refuse(ret_problem, &parser->problem_mark, "not valid YAML: %s%s", what,
                  star    ? ": quote a value that begins with '*'"
                  : colon ? ": quote a value that has one in it"
                          : "");
}

/* First pass: bounds what the second may build. libyaml neither limits depth nor says where an alias stood. */
static enum status check_event(const yaml_event_t *event, const struct yaml_text_limits *limits, int *depth, int *nodes,
                               struct yaml_text_problem *ret_problem) {
    bool anchored = (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
                    (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
                    (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor);
    if (anchored || event->type == YAML_ALIAS_EVENT)
        return refuse(ret_problem, &event->start_mark, "anchors (&) and aliases (*) are not allowed here%s",
                      event->type == YAML_ALIAS_EVENT ? ": quote a value that begins with '*'" : "");
    if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        ++*depth;
    if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        --*depth;
    if (*depth > limits->depth_max)
        return refuse(ret_problem, &event->start_mark, "nested deeper than %d", limits->depth_max);
    if (++*nodes > limits->nodes_max)
        return refuse(ret_problem, &event->start_mark, "more than %d values", limits->nodes_max);
    return STATUS_OK;
}

static enum status check_events(struct slice text, const struct yaml_text_limits *limits,
                                struct yaml_text_problem *ret_problem) {
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return no_memory(ret_problem);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    enum status status = STATUS_OK;
    int depth = 0, nodes = 0, documents = 0;
    for (bool more = true; more && status == STATUS_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = parser_failed(&parser, ret_problem);
            break;
        }
        status = check_event(&event, limits, &depth, &nodes, ret_problem);
        if (status == STATUS_OK && event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            status = refuse(ret_problem, &event.start_mark, "a second document: one file holds one");
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

enum status yaml_text_open(struct yaml_text *yaml, struct slice text, const struct yaml_text_limits *limits,
                           struct yaml_text_problem *ret_problem) {
    if (text.size > limits->size_max)
        return refuse(ret_problem, NULL, "larger than %zu bytes", limits->size_max);
    if (text.size == 0)
        text = SLICE("\n"); /* libyaml wants a pointer */
    TRY(check_events(text, limits, ret_problem));
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return no_memory(ret_problem);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    enum status status = STATUS_OK;
    if (!yaml_parser_load(&parser, &yaml->document))
        status = parser_failed(&parser, ret_problem);
    yaml_parser_delete(&parser);
    if (status != STATUS_OK)
        return status;
    yaml->root = yaml_document_get_root_node(&yaml->document);
    bool blank = yaml->root && yaml->root->type == YAML_SCALAR_NODE && yaml->root->data.scalar.length == 0;
    if (blank)
        yaml->root = NULL;
    if (yaml->root && yaml->root->type != YAML_MAPPING_NODE) {
        status = refuse(ret_problem, &yaml->root->start_mark, "expected lines of the form 'key: value'");
        yaml_document_delete(&yaml->document);
    }
    return status;
}

void yaml_text_close(struct yaml_text *yaml) { yaml_document_delete(&yaml->document); }

bool yaml_text_pair(struct yaml_text *yaml, const yaml_node_t *mapping, size_t *at, yaml_node_t **ret_key,
                    yaml_node_t **ret_value) {
    if (mapping->data.mapping.pairs.start + *at >= mapping->data.mapping.pairs.top)
        return false;
    yaml_node_pair_t pair = mapping->data.mapping.pairs.start[(*at)++];
    *ret_key = yaml_document_get_node(&yaml->document, pair.key);
    *ret_value = yaml_document_get_node(&yaml->document, pair.value);
    return true;
}

bool yaml_text_item(struct yaml_text *yaml, const yaml_node_t *list, size_t *at, yaml_node_t **ret_item) {
    if (list->data.sequence.items.start + *at >= list->data.sequence.items.top)
        return false;
    *ret_item = yaml_document_get_node(&yaml->document, list->data.sequence.items.start[(*at)++]);
    return true;
}

struct slice yaml_text_scalar(const yaml_node_t *node) {
    return slice_make(node->data.scalar.value, node->data.scalar.length);
}

bool yaml_text_says_nothing(const yaml_node_t *node) {
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}
