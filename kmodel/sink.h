/* Where the writers put their bytes: a buffer, or nowhere while only counting. Private to kmodel/. */
#ifndef NCC_KMODEL_SINK_H
#define NCC_KMODEL_SINK_H

#include "kmodel/kmodel.h"

/* Appends `size` bytes; NULL as data is an error unless nothing is stored or size is 0. */
void ncc_km_put(struct ncc_km_sink *s, const void *data, size_t size);
void ncc_km_put_zeros(struct ncc_km_sink *s, size_t size);

/* Distance from the file offset `pos` to the next multiple of `alignment`. */
uint32_t ncc_km_gap(size_t pos, uint32_t alignment);

/* Overwrites what was put before, at `off`. */
void ncc_km_patch(struct ncc_km_sink *s, size_t off, const void *data, size_t size);

#endif
