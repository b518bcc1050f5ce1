/* The nodes that the device carries out. Private to runtime/. */
#ifndef NCC_RUNTIME_RUN_KPU_H
#define NCC_RUNTIME_RUN_KPU_H

#include "kmodel/kmodel.h"
#include "runtime/device.h"

/* Packed n x c x h x w bytes to KPU RAM at byte kpu_off, and back; batches lie one after another. */
enum ncc_status ncc_run_upload(const struct ncc_device *device, uint32_t kpu_off, const uint8_t *from,
                               const int32_t shape[4]);
enum ncc_status ncc_run_download(const struct ncc_device *device, uint8_t *to, uint32_t kpu_off,
                                 const int32_t shape[4]);

/* A kpu_conv2d node: all its batches, then the copy to main memory if it has one. */
enum ncc_status ncc_run_kpu_conv2d(const struct ncc_device *device, const struct ncc_kmodel_node *node,
                                   uint8_t *main_mem);

/* Where a layer's result is in KPU RAM (in bytes), and its shape. */
void ncc_run_kpu_result(const struct ncc_km_kpu_conv2d *op, uint32_t *kpu_off, int32_t shape[4]);

#endif
