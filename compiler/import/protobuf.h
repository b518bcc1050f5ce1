/* Protocol buffers out of a file that nobody vouches for.
 *
 * protobuf-c trusts its input in two ways that it should not: it recurses as deep as the messages are nested, and takes
 * as much memory as they ask for. Both are measured here in a first walk over the bytes, before it sees them.
 */
#ifndef NCC_IMPORT_PROTOBUF_H
#define NCC_IMPORT_PROTOBUF_H

#include "compiler/base/arena.h"
#include "compiler/base/file.h"

#include <protobuf-c/protobuf-c.h>

/* A message of this type, which lives as long as the arena. Bytes are copied out of the file, aligned to 16.
 * NULL: *why says what is wrong with the file (a sentence's end: "the file ...") . */
const ProtobufCMessage *ncc_protobuf_read(const ProtobufCMessageDescriptor *type, struct bytes file,
                                          struct arena *arena, const char **why);

#endif
