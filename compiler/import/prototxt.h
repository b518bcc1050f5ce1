/* Protocol buffers in their text form, as people write networks by hand:
 *
 *     layer {
 *       name: "conv1"  type: "Convolution"       # a comment
 *       convolution_param { num_output: 8 pad: 1 kernel_size: 3 }
 *     }
 *
 * The descriptors that protoc-c makes of a schema say which fields there are. Fields that the schema does not have are
 * skipped with all that is in them.
 */
#ifndef NCC_IMPORT_PROTOTXT_H
#define NCC_IMPORT_PROTOTXT_H

#include "compiler/base/diag.h"
#include "compiler/base/file.h"

#include <protobuf-c/protobuf-c.h>

/* A message of this type, which lives as long as the arena. NULL: a diagnostic with the line was added. */
ProtobufCMessage *ncc_prototxt_read(const ProtobufCMessageDescriptor *type, struct bytes text, const char *file,
                                    struct arena *arena, struct diags *d);

#endif
