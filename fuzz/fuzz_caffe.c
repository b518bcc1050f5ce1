/* The bytes of a prototxt, then a zero, then those of a caffemodel; an empty prototxt stands for none. */
#include "fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

const struct fuzz_format fuzz_format = {.extension = "caffemodel", .companion = "prototxt"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_path text = fuzz_path("model.prototxt"), binary = fuzz_path("model.caffemodel");
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t text_size = zero ? (size_t)(zero - data) : size, start = zero ? text_size + 1 : size;
    unlink(text.text);
    if (text_size)
        fuzz_write(text.text, data, text_size);
    fuzz_write(binary.text, data + start, size - start);
    fuzz_compile(text_size ? text.text : binary.text);
    return 0;
}
