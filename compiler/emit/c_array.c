#include "compiler/emit/emit.h"

#include <string.h>

struct bytes ncc_emit_c_array(struct bytes kmodel, const char *name, struct arena *a)
{
    static const char digits[] = "0123456789abcdef";
    const char *head =
        ncc_arena_printf(a,
                         "/* A kmodel for the K210, to be linked into firmware. */\n#include <stddef.h>\n\n"
                         "const unsigned char %s[%zu] __attribute__((aligned(256))) = {",
                         name, kmodel.size);
    const char *tail = ncc_arena_printf(a, "\n};\nconst size_t %s_size = %zu;\n", name, kmodel.size);
    char *text = ncc_arena_alloc(a, strlen(head) + kmodel.size * 5 + kmodel.size / 16 * 5 + strlen(tail) + 64, 1, 1);
    char *p = text + strlen(strcpy(text, head));
    for (size_t i = 0; i < kmodel.size; i++) {
        if (i % 16 == 0) {
            memcpy(p, "\n    ", 5);
            p += 5;
        }
        const uint8_t b = kmodel.data[i];
        const char item[5] = {'0', 'x', digits[b >> 4], digits[b & 15], ','};
        memcpy(p, item, 5);
        p += 5;
    }
    p += strlen(strcpy(p, tail));
    return (struct bytes){(const uint8_t *)text, (size_t)(p - text)};
}
