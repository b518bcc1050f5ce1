#include "compiler/import/prototxt.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end;
    int line;
    const char *file;
    struct arena *arena;
    struct diags *diags;
};

static bool fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *what = ncc_arena_vprintf(r->arena, format, args);
    va_end(args);
    ncc_diag_error(r->diags, FAULT_INPUT, (struct place){.file = r->file}, "the prototxt must be well formed",
                   "correct the line, or fetch the file again", "line %d: %s", r->line, what);
    return false;
}

/* ---- characters and words ---- */

static void skip_blanks(struct reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#')
            while (r->at + 1 < r->end && r->at[1] != '\n')
                r->at++;
        else if (!isspace((unsigned char)*r->at))
            return;
        r->line += *r->at == '\n';
    }
}

/* The next character that is not blank; 0 at the end. */
static char peek(struct reader *r)
{
    skip_blanks(r);
    return r->at < r->end ? *r->at : 0;
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || peek(r) != c)
        return false;
    r->at++;
    return true;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_.+-", c));
}

/* A name, a number or true; NULL with a diagnostic. */
static const char *read_word(struct reader *r, const char *what)
{
    skip_blanks(r);
    const char *start = r->at;
    while (r->at < r->end && is_word_char(*r->at))
        r->at++;
    if (r->at > start)
        return ncc_arena_copy(r->arena, start, (size_t)(r->at - start));
    if (r->at == r->end)
        fail(r, "%s is missing at the end", what);
    else
        fail(r, "%s is missing in front of '%c'", what, isprint((unsigned char)*r->at) ? *r->at : '?');
    return NULL;
}

/* Behind a backslash; moves over what it reads. */
static char read_escape(struct reader *r)
{
    static const char names[] = "abfnrtv", codes[] = "\a\b\f\n\r\t\v";
    const char c = *r->at++;
    const char *known = c ? strchr(names, c) : NULL;
    if (known)
        return codes[known - names];
    if (c < '0' || c > '7')
        return c;
    int code = c - '0';
    for (int i = 0; i < 2 && r->at < r->end && *r->at >= '0' && *r->at <= '7'; i++)
        code = code * 8 + (*r->at++ - '0');
    return (char)code;
}

struct letters {
    char *v;
    int n, cap;
};

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* One quoted piece, added to the text. */
static bool read_piece(struct reader *r, struct letters *text)
{
    const char quote = *r->at++;
    while (r->at < r->end && *r->at != quote && *r->at != '\n') {
        const bool escaped = *r->at == '\\' && r->at + 1 < r->end;
        r->at += escaped;
        const char c = escaped ? read_escape(r) : *r->at++;
        NCC_PUSH(r->arena, text, c);
    }
    if (r->at == r->end || *r->at != quote)
        return fail(r, "a string does not end: %c is missing", quote);
    r->at++;
    return true;
}

/* "..." or '...'; pieces behind each other are one string. NULL with a diagnostic. */
static char *read_string(struct reader *r)
{
    struct letters text = {0};
    if (!is_quote(peek(r))) {
        fail(r, "a string in quotes is missing");
        return NULL;
    }
    while (is_quote(peek(r)))
        if (!read_piece(r, &text))
            return NULL;
    NCC_PUSH(r->arena, &text, 0);
    return text.v;
}

/* ---- what the schema does not know ---- */

static bool skip_token(struct reader *r)
{
    if (is_quote(peek(r)))
        return read_string(r) != NULL;
    return read_word(r, "a value") != NULL;
}

/* A value with all blocks and lists in it. A counter is enough: what closes what does not matter here. */
static bool skip_value(struct reader *r)
{
    int depth = 0;
    do {
        const char c = peek(r);
        if (c && strchr("{<[", c)) {
            depth++;
            r->at++;
        } else if (c && strchr("}>]", c) && depth > 0) {
            depth--;
            r->at++;
        } else if (c && strchr(":,;", c) && depth > 0) {
            r->at++;
        } else if (!skip_token(r)) {
            return false;
        }
    } while (depth > 0);
    return true;
}

/* ---- fields ---- */

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        return 4; /* int32, float, bool, enum */
    }
}

/* Where a value of the field goes. Lists grow by doubling: one that is full has a power of two of elements. */
static void *slot_of(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    char *at = (char *)m + f->offset;
    const size_t size = size_of(f);
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
            *(protobuf_c_boolean *)((char *)m + f->quantifier_offset) = 1;
        return at;
    }
    size_t *n = (size_t *)((char *)m + f->quantifier_offset);
    if ((*n & (*n - 1)) == 0) {
        void *more = ncc_arena_alloc(r->arena, *n ? 2 * *n : 1, size, 8);
        if (*n)
            memcpy(more, *(void **)at, *n * size);
        *(void **)at = more;
    }
    return *(char **)at + (*n)++ * size;
}

static bool to_integer(struct reader *r, const char *name, const char *word, long long low, long long high,
                       long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(word, &end, 0);
    if (*end || errno || *out < low || *out > high)
        return fail(r, "%s must be an integer in range, and is %s", name, word);
    return true;
}

static bool to_real(struct reader *r, const char *name, const char *word, double *out)
{
    char *end;
    *out = strtod(word, &end);
    if (end == word || (*end && strcmp(end, "f") != 0))
        return fail(r, "%s must be a number, and is %s", name, word);
    return true;
}

static bool to_bool(struct reader *r, const char *name, const char *word, protobuf_c_boolean *out)
{
    static const char *const words[] = {"false", "true", "False", "True", "f", "t", "0", "1"};
    for (int i = 0; i < 8; i++) {
        *out = i % 2;
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return fail(r, "%s must be true or false, and is %s", name, word);
}

static bool to_enum(struct reader *r, const ProtobufCFieldDescriptor *f, const char *word, long long *out)
{
    const ProtobufCEnumDescriptor *e = f->descriptor;
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(e, word);
    if (v)
        *out = v->value;
    else if (isdigit((unsigned char)*word))
        return to_integer(r, f->name, word, 0, INT_MAX, out);
    else
        return fail(r, "%s cannot be %s", f->name, word);
    return true;
}

static bool read_scalar(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    const bool is_text = f->type == PROTOBUF_C_TYPE_STRING;
    const char *word = is_text ? read_string(r) : read_word(r, f->name);
    long long number = 0;
    double real = 0;
    protobuf_c_boolean flag = 0;
    bool good = word != NULL;
    if (!good)
        return false;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
        good = to_integer(r, f->name, word, INT32_MIN, INT32_MAX, &number);
        break;
    case PROTOBUF_C_TYPE_INT64:
        good = to_integer(r, f->name, word, LLONG_MIN, LLONG_MAX, &number);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        good = to_real(r, f->name, word, &real);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        good = to_bool(r, f->name, word, &flag);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        good = to_enum(r, f, word, &number);
        break;
    default:
        break;
    }
    if (!good)
        return false;
    void *to = slot_of(r, f, m);
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        *(int64_t *)to = number;
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)to = (float)real;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)to = real;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)to = flag;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(const char **)to = word;
        break;
    default:
        *(int32_t *)to = (int32_t)number;
        break;
    }
    return true;
}

static ProtobufCMessage *new_message(struct reader *r, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = ncc_arena_alloc(r->arena, 1, type->sizeof_message, 8);
    protobuf_c_message_init(type, m);
    return m;
}

static bool read_fields(struct reader *r, ProtobufCMessage *m, char close);

/* A block of the field, or a further part of it when it may stand there only once. As deep as the schema is. */
static bool read_block(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    const char open = peek(r);
    if (open != '{' && open != '<')
        return fail(r, "%s must be a block in braces", f->name);
    r->at++;
    ProtobufCMessage **to = slot_of(r, f, m);
    if (!*to)
        *to = new_message(r, f->descriptor);
    return read_fields(r, *to, open == '{' ? '}' : '>');
}

static bool read_value(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE ? read_block(r, f, m) : read_scalar(r, f, m);
}

static bool read_list(struct reader *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return fail(r, "%s cannot be a list", f->name);
    while (!take(r, ']')) {
        if (!read_value(r, f, m))
            return false;
        if (!take(r, ',') && peek(r) != ']')
            return fail(r, "the list of %s does not end", f->name);
    }
    return true;
}

static bool read_field(struct reader *r, ProtobufCMessage *m)
{
    const char *name = read_word(r, "the name of a field");
    if (!name)
        return false;
    const bool has_colon = take(r, ':');
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    if (!has_colon && !strchr("{<", peek(r)))
        return fail(r, "a colon or a block must follow %s", name);
    if (!f)
        return skip_value(r);
    return take(r, '[') ? read_list(r, f, m) : read_value(r, f, m);
}

/* close 0: up to the end of the text. */
static bool read_fields(struct reader *r, ProtobufCMessage *m, char close)
{
    for (;;) {
        const char c = peek(r);
        if (r->at == r->end)
            return !close || fail(r, "'%c' is missing at the end", close);
        if (close && c == close) {
            r->at++;
            return true;
        }
        if (c == ',' || c == ';')
            r->at++;
        else if (!read_field(r, m))
            return false;
    }
}

ProtobufCMessage *ncc_prototxt_read(const ProtobufCMessageDescriptor *type, struct bytes text, const char *file,
                                    struct arena *arena, struct diags *d)
{
    const char *start = (const char *)text.data;
    struct reader r = {start, start + text.size, 1, file, arena, d};
    ProtobufCMessage *m = new_message(&r, type);
    return read_fields(&r, m, 0) ? m : NULL;
}
