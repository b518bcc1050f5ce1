#include "compiler/import/protobuf.h"

#include <string.h>

enum { MAX_DEPTH = 48 };
#define MAX_MEMORY ((size_t)1 << 30)

/* What protobuf-c keeps of a field, at most: its own notes while it reads, and a pointer or number. */
enum { FIELD_COST = 64 };

struct walk {
    const char *why;
    size_t memory;
};

static bool fail(struct walk *w, const char *why)
{
    w->why = why;
    return false;
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = *(*at)++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The bytes of a field behind its tag; *length counts those that are its content. */
static bool skip_field(const uint8_t **at, const uint8_t *end, int wire_type, uint64_t *length)
{
    uint64_t number;
    *length = 0;
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return read_varint(at, end, &number);
    case PROTOBUF_C_WIRE_TYPE_64BIT: *length = 8; break;
    case PROTOBUF_C_WIRE_TYPE_32BIT: *length = 4; break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(at, end, length))
            return false;
        break;
    default: return false;
    }
    if (*length > (uint64_t)(end - *at))
        return false;
    *at += *length;
    return true;
}

static bool walk_message(struct walk *w, const ProtobufCMessageDescriptor *type, const uint8_t *at, const uint8_t *end,
                         int depth)
{
    if (depth > MAX_DEPTH)
        return fail(w, "is nested too deeply");
    w->memory += type->sizeof_message;
    while (at < end) {
        uint64_t tag, length;
        if (!read_varint(&at, end, &tag) || tag >> 3 == 0 || tag >> 32 != 0 ||
            !skip_field(&at, end, (int)(tag & 7), &length))
            return fail(w, "ends in the middle, or is damaged");
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        const bool is_block = (tag & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
        if (field && is_block && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (!walk_message(w, field->descriptor, at - length, at, depth + 1))
                return false;
        } else { /* packed numbers of one byte become eight */
            const bool is_text = !field || field->type == PROTOBUF_C_TYPE_BYTES || field->type == PROTOBUF_C_TYPE_STRING;
            w->memory += (size_t)length * (is_text ? 1 : 8);
        }
        w->memory += FIELD_COST;
        if (w->memory > MAX_MEMORY)
            return fail(w, "asks for too much memory");
    }
    return true;
}

static void *allocate(void *arena, size_t size)
{
    return ncc_arena_alloc(arena, size ? size : 1, 1, 16);
}

/* The arena is released whole. */
static void release(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

const ProtobufCMessage *ncc_protobuf_read(const ProtobufCMessageDescriptor *type, struct bytes file,
                                          struct arena *arena, const char **why)
{
    struct walk w = {NULL, 0};
    if (!walk_message(&w, type, file.data, file.data + file.size, 0)) {
        *why = w.why;
        return NULL;
    }
    ProtobufCAllocator allocator = {allocate, release, arena};
    const ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, file.size, file.data);
    if (!m)
        *why = "has fields of a wrong kind";
    return m;
}
