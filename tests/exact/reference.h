/* The KPU once more, as plainly as it can be written: one layer, one value at a time, in the order of doc/kpu.md
 * section 5. It shares nothing with the simulator but the unpacking of the words. */
#ifndef NCC_TESTS_REFERENCE_H
#define NCC_TESTS_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Runs the layer on 2 MiB of KPU RAM. The words must describe a legal layer. False, with RAM unchanged, when an
 * accumulator or batch-norm output that the layer needs leaves 36 bits. */
bool reference_run(uint8_t *ram, const uint64_t words[12], const uint8_t *weights, int weight_bits, const uint64_t *bn,
                   const uint8_t *act);

/* a / 2^shift as the table does it (doc/kpu.md section 5.1, first row). */
int64_t reference_round_shift(int64_t v, int shift);

#endif
