/* The port: all that the runtime asks of a KPU, in three functions.
 *
 * The simulator (ncc/sim.h) and the chip (runtime/device_k210.c) implement it; one runtime runs on both. Calls come
 * one at a time, in the order of the model's nodes, and each has finished its work when it returns. The runtime
 * checks a model before it makes the first call: every address lies inside the 2 MiB, and the register fields have
 * passed ncc_kpu_regs_check().
 *
 * KPU RAM addresses are byte offsets from the start of KPU RAM, multiples of 64. Tensors there have the layout of
 * doc/kpu.md section 3; what lies in the gaps of that layout (x beyond W, missing channels of the last group) does
 * not matter and may be written or left alone. A tensor in main memory is packed bytes, c then h then w.
 * One call moves one image; the runtime loops over batches.
 */
#ifndef NCC_RUNTIME_DEVICE_H
#define NCC_RUNTIME_DEVICE_H

#include <ncc/status.h>

#include <stddef.h>
#include <stdint.h>

struct ncc_device {
    void *ctx; /* handed to the functions unchanged */

    /* Writes c*h*w packed bytes to KPU RAM at kpu_off, in KPU layout. `nchw` has no particular alignment. */
    enum ncc_status (*upload)(void *ctx, uint32_t kpu_off, const uint8_t *nchw, int c, int h, int w);

    /* Runs one layer from start to end. `words` are the twelve words as doc/kpu.md section 2 draws them, the image
     * addresses final, and with the fields that depend on the device still as they stand in the file: the device
     * replaces bwsx_base_addr, active_addr and para_start_addr (in a file they hold skip counts), sets int_en as it
     * needs it and clears send_data_out.
     *   weights  weights_size bytes, [oc][ic][ky][kx] or, depthwise, [c][ky][kx]; the last of several loads may end
     *            before para_size bytes. Of weight_bits each, 8 or 16 (kmodels of version 3 have both): the device sets
     *            eight_bit_mode accordingly. 16 bits are stored low byte first.
     *   bn       n_bn = output channels words, 8-byte aligned
     *   act      144 bytes: 16 segment words, then 16 bias bytes (doc/kpu.md section 4.3), 8-byte aligned
     * In files written by ncc and by nncase since 0.2.0-beta all three blocks are 256-byte aligned in the file, and
     * so in memory when the file was loaded at such an address. The oldest files align bn to 8 only. The three
     * stay valid and unchanged until the call returns. */
    enum ncc_status (*run_layer)(void *ctx, const uint64_t words[12], const uint8_t *weights, size_t weights_size,
                                 int weight_bits, const uint64_t *bn, size_t n_bn, const uint8_t *act);

    /* The opposite of upload: c*h*w packed bytes from KPU RAM at kpu_off to `nchw`. */
    enum ncc_status (*download)(void *ctx, uint8_t *nchw, uint32_t kpu_off, int c, int h, int w);
};

#endif
