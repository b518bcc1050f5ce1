/* A list of messages in the order in which they were found. */
#include "compiler/base/diag.h"

#include <assert.h>
#include <string.h>

void ncc_diag_init(struct diags *d, struct arena *a)
{
    *d = (struct diags){.arena = a};
    d->tail = &d->first;
}

static const char *copy(struct arena *a, const char *text)
{
    return text ? ncc_arena_copy(a, text, strlen(text)) : NULL;
}

/* A damaged file can be wrong in a million places. */
enum { MOST_KEPT = 500 };

static void add(struct diags *d, struct diag what, const char *found, va_list args)
{
    d->n_errors += what.severity == SEV_ERROR;
    d->n_warnings += what.severity == SEV_WARNING;
    if (d->n_kept[what.severity] == MOST_KEPT) {
        d->n_left_out++;
        return;
    }
    d->n_kept[what.severity]++;
    struct diag *kept = NCC_NEW(d->arena, struct diag, 1);
    *kept = (struct diag){
        .severity = what.severity,
        .fault = what.fault,
        .place = {copy(d->arena, what.place.file), copy(d->arena, what.place.node), copy(d->arena, what.place.op)},
        .rule = copy(d->arena, what.rule),
        .remedy = copy(d->arena, what.remedy),
        .found = found ? ncc_arena_vprintf(d->arena, found, args) : NULL,
    };
    *d->tail = kept;
    d->tail = &kept->next;
}

void ncc_diag_error(struct diags *d, enum fault fault, struct place where, const char *rule, const char *remedy,
                    const char *found, ...)
{
    va_list args;
    va_start(args, found);
    add(d, (struct diag){.severity = SEV_ERROR, .fault = fault, .place = where, .rule = rule, .remedy = remedy}, found,
        args);
    va_end(args);
}

void ncc_diag_warn(struct diags *d, struct place where, const char *rule, const char *remedy, const char *found, ...)
{
    va_list args;
    va_start(args, found);
    add(d, (struct diag){.severity = SEV_WARNING, .place = where, .rule = rule, .remedy = remedy}, found, args);
    va_end(args);
}

void ncc_diag_note(struct diags *d, struct place where, const char *rule, const char *remedy, const char *found, ...)
{
    va_list args;
    va_start(args, found);
    add(d, (struct diag){.severity = SEV_NOTE, .place = where, .rule = rule, .remedy = remedy}, found, args);
    va_end(args);
}

enum fault ncc_diag_first_fault(const struct diags *d)
{
    assert(d->n_errors > 0);
    const struct diag *at = d->first;
    while (at->severity != SEV_ERROR)
        at = at->next;
    return at->fault;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same(const struct diag *a, const struct diag *b)
{
    return a->severity == b->severity && same_text(a->rule, b->rule) && same_text(a->place.node, b->place.node) &&
           same_text(a->place.op, b->place.op) && same_text(a->place.file, b->place.file) &&
           same_text(a->found, b->found) && same_text(a->remedy, b->remedy);
}

/* Names come from files that nobody vouches for: control characters must not reach the terminal. */
static void put(FILE *to, const char *text)
{
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        putc((byte < 0x20 && byte != '\n') || byte == 0x7f ? '?' : byte, to);
    }
}

static void put_place(FILE *to, const struct place *where)
{
    if (where->file) {
        put(to, where->file);
        fputs(": ", to);
    }
    if (where->node) {
        fputs("node '", to);
        put(to, where->node);
        fputs(where->op ? "' (" : "': ", to);
    }
    if (where->op) {
        put(to, where->op);
        fputs(where->node ? "): " : ": ", to);
    }
}

static void put_line(FILE *to, const char *label, const char *text)
{
    if (!text)
        return;
    fprintf(to, "    %s: ", label);
    put(to, text);
    putc('\n', to);
}

static void put_diag(FILE *to, const struct diag *what, int times)
{
    static const char *const severities[] = {[SEV_NOTE] = "note", [SEV_WARNING] = "warning", [SEV_ERROR] = "error"};
    put_place(to, &what->place);
    fprintf(to, "%s: ", severities[what->severity]);
    put(to, what->rule ? what->rule : "");
    if (times > 1)
        fprintf(to, " (%d times)", times);
    putc('\n', to);
    put_line(to, "found", what->found);
    put_line(to, "try", what->remedy);
}

void ncc_diag_print(const struct diags *d, FILE *to)
{
    for (const struct diag *at = d->first; at; at = at->next) {
        const struct diag *earlier = d->first;
        while (earlier != at && !same(earlier, at))
            earlier = earlier->next;
        if (earlier != at)
            continue;
        int times = 1;
        for (const struct diag *later = at->next; later; later = later->next)
            times += same(at, later);
        put_diag(to, at, times);
    }
    if (d->n_left_out)
        fprintf(to, "%d more messages are not shown\n", d->n_left_out);
}
