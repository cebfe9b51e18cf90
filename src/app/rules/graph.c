#include "app/rules/graph.h"

#include "base/arena.h"

#define TEXT(s) (int)(s).size, (const char *)(s).data

/* A box: classes first, by their numbers, then events. */
struct box {
    uint32_t layer, row, width; /* width in characters */
};

struct line {
    uint32_t from, to;
    const struct rules_edge *edge;
    enum rules_target_kind kind;
};

struct drawing {
    const struct rules *rules;
    struct arena arena;
    struct box *boxes;
    struct line *lines;
    uint32_t box_count, line_count, layer_count, row_max;
};

static const char *kind_text(enum rules_target_kind kind) {
    static const char *const texts[] = {"key", "tag", "whole class", "comparing keys"};
    return texts[kind];
}

static const char *way_text(const struct rules_edge *edge) {
    if (edge->derives)
        return edge->soft ? "derived, softly by " : "derived, by ";
    return edge->soft ? "softly by " : "by ";
}

static struct slice box_name(const struct drawing *drawing, uint32_t box) {
    uint32_t classes = rules_class_count(drawing->rules);
    return box < classes ? rules_class(drawing->rules, box)->pattern.text
                         : rules_event(drawing->rules, box - classes)->name.text;
}

static uint32_t event_of(const struct rules *rules, const struct rules_edge *edge) {
    for (uint32_t i = 0; i < rules_event_count(rules); i++) {
        const struct rules_event *event = rules_event(rules, i);
        if (edge >= event->edges && edge < event->edges + event->edge_count)
            return i;
    }
    return RULES_NONE;
}

/* Calls for each way from a box to a class; counts only while there is no room yet. */
static void collect_lines(struct drawing *drawing) {
    const struct rules *rules = drawing->rules;
    uint32_t count = 0;
    for (uint32_t e = 0; e < rules_edge_count(rules); e++) {
        const struct rules_edge *edge = rules_edge(rules, e);
        uint32_t from = edge->from != RULES_NONE ? edge->from : rules_class_count(rules) + event_of(rules, edge);
        for (uint32_t t = 0; t < edge->target_count; t++)
            for (uint32_t r = 0; r < edge->targets[t].reached_count; r++, count++)
                if (drawing->lines)
                    drawing->lines[count] =
                        (struct line){from, edge->targets[t].reached[r], edge, edge->targets[t].kind};
    }
    drawing->line_count = count;
}

/* A box stands behind everything that leads to it. There are no circles, so after as many rounds as there are boxes nothing moves. */
static void choose_layers(struct drawing *drawing) {
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < drawing->line_count; i++) {
            struct box *from = &drawing->boxes[drawing->lines[i].from], *to = &drawing->boxes[drawing->lines[i].to];
            if (to->layer <= from->layer && from->layer < drawing->box_count) {
                to->layer = from->layer + 1;
                moved = true;
            }
        }
    }
}

/* In each layer, boxes follow the middle of what leads to them, so that lines cross little. */
static bool choose_rows(struct drawing *drawing) {
    uint64_t *middle = arena_take(&drawing->arena, (drawing->box_count + 1) * sizeof *middle);
    uint32_t *order = arena_take(&drawing->arena, (drawing->box_count + 1) * sizeof *order);
    if (!middle || !order)
        return false;
    for (uint32_t i = 0; i < drawing->box_count; i++)
        if (drawing->boxes[i].layer >= drawing->layer_count)
            drawing->layer_count = drawing->boxes[i].layer + 1;
    for (uint32_t layer = 0; layer < drawing->layer_count; layer++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < drawing->box_count; i++) {
            uint64_t sum = 0, parents = 0;
            if (drawing->boxes[i].layer != layer)
                continue;
            for (uint32_t l = 0; l < drawing->line_count; l++)
                if (drawing->lines[l].to == i) {
                    sum += drawing->boxes[drawing->lines[l].from].row;
                    parents++;
                }
            middle[i] = parents ? sum * 1024 / parents : i;
            uint32_t to = count++;
            for (; to > 0 && middle[order[to - 1]] > middle[i]; to--)
                order[to] = order[to - 1];
            order[to] = i;
        }
        for (uint32_t row = 0; row < count; row++)
            drawing->boxes[order[row]].row = row;
        drawing->row_max = count > drawing->row_max ? count : drawing->row_max;
    }
    return true;
}

static enum status drawing_make(struct drawing *drawing) {
    const struct rules *rules = drawing->rules;
    drawing->box_count = rules_class_count(rules) + rules_event_count(rules);
    drawing->boxes = arena_take(&drawing->arena, (drawing->box_count + 1) * sizeof *drawing->boxes);
    collect_lines(drawing);
    drawing->lines = arena_take(&drawing->arena, (drawing->line_count + 1) * sizeof *drawing->lines);
    if (!drawing->boxes || !drawing->lines)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < drawing->box_count; i++)
        drawing->boxes[i] = (struct box){.width = (uint32_t)box_name(drawing, i).size};
    collect_lines(drawing);
    choose_layers(drawing);
    return choose_rows(drawing) ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ------------------------------------------------------------------------------------------ text */

/* Names may hold any byte: those that would move a cursor become dots. */
static enum status put_clean(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        TRY(buf_append(out, text.data[i] < ' ' || text.data[i] == 127 ? "." : (const char *)&text.data[i], 1));
    return STATUS_OK;
}

static enum status write_text_box(const struct drawing *drawing, uint32_t box, struct buf *out) {
    const struct rules *rules = drawing->rules;
    bool is_event = box >= rules_class_count(rules);
    TRY(buf_printf(out, "%s", is_event ? "event " : ""));
    TRY(put_clean(out, box_name(drawing, box)));
    if (!is_event && rules_class(rules, box)->owner != RULES_NONE)
        TRY(buf_printf(out, "   (%.*s)", TEXT(rules_service(rules, rules_class(rules, box)->owner))));
    TRY(buf_printf(out, "\n"));
    for (uint32_t i = 0; i < drawing->line_count; i++) {
        const struct line *line = &drawing->lines[i];
        if (line->from != box)
            continue;
        TRY(buf_printf(out, "  -> "));
        TRY(put_clean(out, box_name(drawing, line->to)));
        size_t width = box_name(drawing, line->to).size;
        TRY(buf_printf(out, "%*s  %s%s, line %u\n", width < 32 ? (int)(32 - width) : 0, "", way_text(line->edge),
                       kind_text(line->kind), line->edge->place.line));
    }
    return STATUS_OK;
}

static enum status write_text(const struct drawing *drawing, struct buf *out) {
    bool first = true, alone = false;
    for (uint32_t layer = 0; layer < drawing->layer_count; layer++)
        for (uint32_t i = 0; i < drawing->box_count; i++) {
            bool leads = false, reached = false;
            for (uint32_t l = 0; l < drawing->line_count; l++) {
                leads |= drawing->lines[l].from == i;
                reached |= drawing->lines[l].to == i;
            }
            alone |= !leads && !reached;
            if (drawing->boxes[i].layer != layer || !leads)
                continue;
            TRY(buf_printf(out, "%s", first ? "" : "\n"));
            TRY(write_text_box(drawing, i, out));
            first = false;
        }
    if (!alone)
        return STATUS_OK;
    TRY(buf_printf(out, "%swithout edges:", first ? "" : "\n"));
    for (uint32_t i = 0; i < drawing->box_count; i++) {
        bool used = false;
        for (uint32_t l = 0; l < drawing->line_count && !used; l++)
            used = drawing->lines[l].from == i || drawing->lines[l].to == i;
        if (used)
            continue;
        TRY(buf_append(out, " ", 1));
        TRY(put_clean(out, box_name(drawing, i)));
    }
    return buf_printf(out, "\n");
}

/* ------------------------------------------------------------------------------------------ SVG */

enum { BOX_HEIGHT = 44, ROW_STEP = 68, LAYER_GAP = 110, MARGIN = 20, CHARACTER_WIDTH = 8, BOX_PADDING = 12 };

static enum status put_xml(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '<' || byte == '>' || byte == '&' || byte == '"')
            TRY(buf_printf(out, "&#%u;", byte));
        else
            TRY(buf_append(out, byte < ' ' || byte > 126 ? "." : (const char *)&byte, 1));
    }
    return STATUS_OK;
}

static uint32_t box_width(const struct box *box) {
    uint32_t characters = box->width < 14 ? 14 : box->width;
    return characters * CHARACTER_WIDTH + 2 * BOX_PADDING;
}

/* Where a layer begins: behind the widest boxes of those before it. */
static uint32_t layer_left(const struct drawing *drawing, uint32_t layer) {
    uint32_t left = MARGIN;
    for (uint32_t l = 0; l < layer; l++) {
        uint32_t widest = 0;
        for (uint32_t i = 0; i < drawing->box_count; i++)
            if (drawing->boxes[i].layer == l && box_width(&drawing->boxes[i]) > widest)
                widest = box_width(&drawing->boxes[i]);
        left += widest + LAYER_GAP;
    }
    return left;
}

static enum status write_svg_line(const struct drawing *drawing, const struct line *line, const uint32_t *lefts,
                                  struct buf *out) {
    static const char *const colours[] = {"#2463a8", "#2a7f4f", "#b3541e", "#a8242f"};
    const struct box *from = &drawing->boxes[line->from], *to = &drawing->boxes[line->to];
    uint32_t x1 = lefts[from->layer] + box_width(from), y1 = MARGIN + from->row * ROW_STEP + BOX_HEIGHT / 2;
    uint32_t x2 = lefts[to->layer], y2 = MARGIN + to->row * ROW_STEP + BOX_HEIGHT / 2;
    TRY(buf_printf(out,
                   "<path d=\"M%u %u C%u %u %u %u %u %u\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"%s "
                   "marker-end=\"url(#%s%d)\"><title>",
                   x1, y1, x1 + LAYER_GAP / 2, y1, x2 - LAYER_GAP / 2, y2, x2, y2, colours[line->kind],
                   line->edge->soft ? " stroke-dasharray=\"5 3\"" : "", line->edge->derives ? "open" : "tip",
                   (int)line->kind));
    TRY(put_xml(out, line->edge->text));
    return buf_printf(out, ": %s%s, line %u</title></path>\n", way_text(line->edge), kind_text(line->kind),
                      line->edge->place.line);
}

static enum status write_svg_box(const struct drawing *drawing, uint32_t number, const uint32_t *lefts,
                                 struct buf *out) {
    const struct rules *rules = drawing->rules;
    const struct box *box = &drawing->boxes[number];
    bool is_event = number >= rules_class_count(rules);
    uint32_t x = lefts[box->layer], y = MARGIN + box->row * ROW_STEP;
    TRY(buf_printf(out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\" rx=\"%d\" fill=\"%s\" stroke=\"#555\"/>\n",
                   x, y, box_width(box), BOX_HEIGHT, is_event ? BOX_HEIGHT / 2 : 4, is_event ? "#fff3d6" : "#f4f6f8"));
    TRY(buf_printf(out, "<text x=\"%u\" y=\"%u\" font-weight=\"bold\">", x + BOX_PADDING, y + 18));
    TRY(put_xml(out, box_name(drawing, number)));
    TRY(buf_printf(out, "</text><text x=\"%u\" y=\"%u\" fill=\"#666\" font-size=\"11\">", x + BOX_PADDING, y + 35));
    if (is_event)
        TRY(buf_printf(out, "event, "));
    else if (rules_class(rules, number)->owner != RULES_NONE)
        TRY(buf_printf(out, "%.*s, ", TEXT(rules_service(rules, rules_class(rules, number)->owner))));
    return buf_printf(out, "line %u</text>\n",
                      is_event ? rules_event(rules, number - rules_class_count(rules))->place.line
                               : rules_class(rules, number)->place.line);
}

static enum status write_svg(struct drawing *drawing, struct buf *out) {
    static const char *const colours[] = {"#2463a8", "#2a7f4f", "#b3541e", "#a8242f"};
    uint32_t *lefts = arena_take(&drawing->arena, (drawing->layer_count + 1) * sizeof *lefts);
    if (!lefts)
        return STATUS_NO_MEMORY;
    for (uint32_t layer = 0; layer <= drawing->layer_count; layer++)
        lefts[layer] = layer_left(drawing, layer);
    uint32_t width = drawing->layer_count ? lefts[drawing->layer_count] - LAYER_GAP + MARGIN : 2 * MARGIN;
    uint32_t height = 2 * MARGIN + drawing->row_max * ROW_STEP;
    TRY(buf_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" "
                   "font-family=\"monospace\" font-size=\"13\">\n<defs>\n",
                   width, height, width, height));
    for (int i = 0; i < 8; i++) /* what is derived has open tips */
        TRY(buf_printf(out,
                       "<marker id=\"%s%d\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" "
                       "markerHeight=\"7\" orient=\"auto\"><path d=\"M.5 .5L7.5 4L.5 7.5z\" fill=\"%s\" "
                       "stroke=\"%s\"/></marker>\n",
                       i & 1 ? "open" : "tip", i / 2, i & 1 ? "white" : colours[i / 2], colours[i / 2]));
    TRY(buf_printf(out, "</defs>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"));
    for (uint32_t i = 0; i < drawing->line_count; i++)
        TRY(write_svg_line(drawing, &drawing->lines[i], lefts, out));
    for (uint32_t i = 0; i < drawing->box_count; i++)
        TRY(write_svg_box(drawing, i, lefts, out));
    return buf_printf(out, "</svg>\n");
}

/* ------------------------------------------------------------------------------------------ DOT */

static enum status put_quoted(struct buf *out, struct slice text) {
    TRY(buf_append(out, "\"", 1));
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            TRY(buf_append(out, "\\", 1));
        TRY(buf_append(out, text.data[i] < ' ' ? "." : (const char *)&text.data[i], 1));
    }
    return buf_append(out, "\"", 1);
}

static enum status write_dot(const struct drawing *drawing, struct buf *out) {
    TRY(buf_printf(out, "digraph manifest {\n  rankdir=LR;\n"));
    for (uint32_t i = 0; i < drawing->box_count; i++) {
        TRY(buf_printf(out, "  n%u [shape=%s, label=", i, i < rules_class_count(drawing->rules) ? "box" : "oval"));
        TRY(put_quoted(out, box_name(drawing, i)));
        TRY(buf_printf(out, "];\n"));
    }
    for (uint32_t i = 0; i < drawing->line_count; i++)
        TRY(buf_printf(out, "  n%u -> n%u [label=\"%s\"%s%s];\n", drawing->lines[i].from, drawing->lines[i].to,
                       kind_text(drawing->lines[i].kind), drawing->lines[i].edge->soft ? ", style=dashed" : "",
                       drawing->lines[i].edge->derives ? ", arrowhead=empty" : ""));
    return buf_printf(out, "}\n");
}

enum status graph_write(const struct rules *rules, enum graph_form form, const struct memory *memory, struct buf *out) {
    struct drawing drawing = {.rules = rules};
    arena_init(&drawing.arena, memory, 4096);
    enum status status = drawing_make(&drawing);
    if (status == STATUS_OK)
        status = form == GRAPH_TEXT  ? write_text(&drawing, out)
                 : form == GRAPH_SVG ? write_svg(&drawing, out)
                                     : write_dot(&drawing, out);
    arena_fini(&drawing.arena);
    return status;
}
