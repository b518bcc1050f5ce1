/* Writes a kmodel of each version, runs both, and prints the results bit by bit. riscv.sh runs it on this machine and
 * on a RISC-V, and compares. No exponentials: those of two C libraries may differ in the last bit. */
#include "kmodel/kmodel_v3.h"

#include <ncc/runtime.h>

#include <stdio.h>
#include <string.h>

enum { N = 16, CODES = 2 * N * 4, BACK = CODES + N, WORK = BACK + N * 4 };

static uint64_t file[512], work[64];
static float weights[N * N], bias[N], input[N];

static void fill(void)
{
    for (int i = 0; i < N * N; i++)
        weights[i] = (float)(i * 37 % 101) / 97.0f - 0.5f;
    for (int i = 0; i < N; i++) {
        bias[i] = (float)i / 7.0f;
        input[i] = (float)(i * i) / 31.0f - 3.0f;
    }
}

/* A product, to codes, and back. */
static size_t write_v3(void)
{
    const struct ncc_km3_output out = {BACK, N * 4};
    const struct ncc_km3_fully_connected fc = {1, 0, N * 4, N, N, NCC_KM3_RELU};
    const struct ncc_km3_quantize quantize = {1, N * 4, CODES, N, 0.037f, -0.1f};
    const struct ncc_km3_dequantize dequantize = {1, CODES, BACK, N, 0.037f, -0.1f};
    struct ncc_kmodel_v3_writer w;
    ncc_kmodel_v3_write_begin(&w, (uint8_t *)file, sizeof file, 3, WORK, &out, 1);
    ncc_kmodel_v3_write_layer(&w, NCC_KM3_fully_connected, &fc, sizeof fc, weights, sizeof weights, bias, sizeof bias);
    ncc_kmodel_v3_write_layer(&w, NCC_KM3_quantize, &quantize, sizeof quantize, NULL, 0, NULL, 0);
    ncc_kmodel_v3_write_layer(&w, NCC_KM3_dequantize, &dequantize, sizeof dequantize, NULL, 0, NULL, 0);
    return ncc_kmodel_v3_write_end(&w);
}

static size_t write_v4(void)
{
    const int32_t shape[1][4] = {{1, 1, 1, N}};
    const struct ncc_km_range in = {NCC_KM_MAIN, NCC_KM_F32, 0, N * 4}, b = {NCC_KM_CONST, NCC_KM_F32, 0, N * N * 4};
    const struct ncc_km_range y = {NCC_KM_MAIN, NCC_KM_F32, N * 4, N * 4}, q = {NCC_KM_MAIN, NCC_KM_U8, CODES, N};
    const struct ncc_km_range out = {NCC_KM_MAIN, NCC_KM_F32, BACK, N * 4};
    const struct ncc_kmodel_head head = {3, 1, 1, &in, &out, shape, (const uint8_t *)weights, sizeof weights, WORK};
    const struct ncc_km_matmul matmul = {in, b, y, 1, N, N, {0, 1e9f}};
    const struct ncc_km_quantize quantize = {y, q, 3, 27.0f};
    const struct ncc_km_dequantize dequantize = {q, out, 3, 27.0f};
    struct ncc_kmodel_writer w;
    ncc_kmodel_write_begin(&w, (uint8_t *)file, sizeof file, &head);
    ncc_kmodel_write_node(&w, NCC_KM_OP_matmul, &matmul, sizeof matmul, bias, sizeof bias, NULL, 0);
    ncc_kmodel_write_node(&w, NCC_KM_OP_quantize, &quantize, sizeof quantize, NULL, 0, NULL, 0);
    ncc_kmodel_write_node(&w, NCC_KM_OP_dequantize, &dequantize, sizeof dequantize, NULL, 0, NULL, 0);
    return ncc_kmodel_write_end(&w);
}

static int run(size_t size)
{
    struct ncc_model m;
    enum ncc_status status = ncc_model_open(&m, file, size, work, sizeof work, NULL);
    if (!status)
        status = ncc_model_run(&m, (const void *[]){input});
    if (status) {
        printf("%s: %s\n", ncc_status_text(status), ncc_model_fault(&m)->text);
        return 1;
    }
    const uint32_t *const bits = ncc_model_output_data(&m, 0);
    for (size_t i = 0; i < ncc_model_output(&m, 0).size / sizeof *bits; i++)
        printf("%08x%c", (unsigned)bits[i], i % 8 == 7 ? '\n' : ' ');
    return 0;
}

int main(void)
{
    fill();
    return run(write_v3()) | run(write_v4());
}
