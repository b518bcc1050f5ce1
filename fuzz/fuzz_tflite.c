#include "fuzz/fuzz.h"

const struct fuzz_format fuzz_format = {.extension = "tflite"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_path path = fuzz_path("model.tflite");
    fuzz_write(path.text, data, size);
    fuzz_compile(path.text);
    return 0;
}
