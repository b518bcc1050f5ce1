/* The chip itself as a device for ncc/runtime.h.
 *
 *     ncc_k210_publish(file, file_size);
 *     status = ncc_model_open(&model, file, file_size, work, work_size, ncc_k210_device());
 *
 * What the firmware must have done before:
 *   - PLL1 runs, and the KPU's clock is on: bit ai_clk_en of clk_en_peri, divisor ai_gclk_threshold of clk_th0
 *     (doc/kpu.md section 1). Without the clock every access to KPU RAM or to its registers hangs.
 *   - The kmodel lies in general RAM at a multiple of 256, at its cached address (0x8000_0000 ..), and its bytes are
 * visible at the uncached alias: ncc_k210_publish() copies them there. Files of ncc need nothing else.
 *   - No interrupt of the KPU (PLIC source 25) is enabled: this port polls, and leaves all of them masked.
 * The port moves all data with the CPU; it uses no DMA channel and no interrupt. One hart at a time may use it.
 */
#ifndef NCC_K210_H
#define NCC_K210_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ncc_device; /* runtime/device.h */

/* The port, to give to ncc_model_open(). Puts the KPU into the state that the port needs (8-bit weights, interrupts
 * masked), so call it again after other code has used the KPU. Never NULL. */
const struct ncc_device *ncc_k210_device(void);

/* Makes `size` bytes at a cached address of general RAM visible to the KPU, which reads past the CPU's cache. Call it
 * once after loading a model. */
void ncc_k210_publish(const void *data, size_t size);

#ifdef __cplusplus
}
#endif
#endif
