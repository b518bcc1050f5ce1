#include "runtime/kernels/kernel.h"
#include "runtime/kernels/kernel_math.h"

#include <string.h>

/* The check has walked the code: the depth stays within the array. */
struct stack {
    float v[NCC_KM_NNIL_STACK];
    int depth;
};

static void push(struct stack *s, float v)
{
    s->v[s->depth++] = v;
}

static float pop(struct stack *s)
{
    return s->v[--s->depth];
}

/* One byte code other than those below; *code is behind it. */
static void step_special(struct stack *s, uint8_t opcode, const uint8_t **code, float x)
{
    float high, low, v;
    switch (opcode) {
    case NCC_KM_NNIL_DUP:
        v = pop(s);
        push(s, v);
        push(s, v);
        break;
    case NCC_KM_NNIL_POP:
        pop(s);
        break;
    case NCC_KM_NNIL_LDA_0:
        push(s, x);
        break;
    case NCC_KM_NNIL_LDC_0:
        push(s, 0.0f);
        break;
    case NCC_KM_NNIL_LDC_1:
        push(s, 1.0f);
        break;
    case NCC_KM_NNIL_LDC_R4:
        memcpy(&v, *code, sizeof v);
        *code += sizeof v;
        push(s, v);
        break;
    case NCC_KM_NNIL_CLAMP:
        high = pop(s);
        low = pop(s);
        v = pop(s);
        push(s, v < low ? low : v > high ? high : v);
        break;
    default: /* nop */
        break;
    }
}

static float run(const uint8_t *code, float x)
{
    struct stack s;
    s.depth = 0;
    for (;;) {
        const uint8_t opcode = *code++;
        if (opcode == NCC_KM_NNIL_RET)
            return pop(&s);
        if (opcode >= NCC_KM_NNIL_BINARY && opcode < NCC_KM_NNIL_CLAMP) {
            const float b = pop(&s), a = pop(&s);
            push(&s, ncc_kernel_binary_f32((uint32_t)(opcode - NCC_KM_NNIL_BINARY), a, b));
        } else if (opcode >= NCC_KM_NNIL_UNARY && opcode < NCC_KM_NNIL_BINARY) {
            push(&s, ncc_kernel_unary_f32((uint32_t)(opcode - NCC_KM_NNIL_UNARY), pop(&s)));
        } else {
            step_special(&s, opcode, &code, x);
        }
    }
}

void ncc_kernel_nnil_unary_method(const void *body, const struct ncc_kernel_memory *memory)
{
    const struct ncc_km_nnil_unary_method *const op = body;
    const uint8_t *const code = (const uint8_t *)(op + 1);
    const float *const in = ncc_kernel_in(memory, &op->in);
    float *const out = ncc_kernel_out(memory, &op->out);
    const size_t n = ncc_kernel_count(&op->in);
    for (size_t i = 0; i < n; i++)
        out[i] = run(code, in[i]);
}
