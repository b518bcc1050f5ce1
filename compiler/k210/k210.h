/* From the canonical graph to KPU layers and CPU kernels, still in real numbers; after quantisation, to integers.
 *
 *     ncc_k210_legalise    rewrites that suit the chip and mean the same on any device
 *     ncc_k210_place       node->on_kpu and node->reason: what runs where, by estimated time
 *     ncc_k210_lower       kpu_conv, kpu_upload, kpu_download ... for the nodes on the KPU
 *     (quant observes ranges on this graph and assigns scales)
 *     ncc_k210_integers    kpu_conv -> kpu_layer, CPU kernels -> float or uint8 forms, quantize / dequantize between
 */
#ifndef NCC_K210_K210_H
#define NCC_K210_K210_H

#include "compiler/ir/op.h"
#include "compiler/ir/patches.h"
#include "kpu/timing.h"

#include <stdatomic.h>

struct k210_options {
    bool allow_untested;  /* emit layers that no released compiler emits */
    bool cpu_only;        /* -t cpu */
    bool float_input;     /* the firmware feeds floats: inputs stay in main memory */
    bool u8_output;       /* outputs are left as codes */
    bool float_binary;    /* --no-quantized-binary */
    int output_quantize_threshold; /* elements below which CPU kernels stay float */
    int rounding_passes; /* over the weights of a layer, where there are patches; 0 and 1: one */
    bool leave_truncated; /* what mean pools and bilinear resizes of codes cut off is not given back */
    bool even_tables; /* activation tables with the least largest error, whatever they see */
    enum ncc_kpu_runtime runtime; /* whose copying costs count */
    int weight_bits; /* of KPU layers: 8, or 16, which kmodel v3 has */
    bool short_of_ram; /* neither main memory nor the kmodel holds anything for the sake of speed */
    bool on_trial; /* the lowered graph is only looked at: weights are not filled in, nodes not named */
    bool inputs_on_kpu; /* a piece of a graph on trial: inputs of four dimensions are in KPU RAM already */
    bool kmodel_v3; /* CPU kernels are those of kmodel v3: few, and of codes only those that move them */
    atomic_llong *n_made; /* the values that lowering makes, in all attempts, are added: what it took. NULL: nobody asks */
};

/* May main memory hold a map once more, for an upload in whole lines? Kmodels of version 3 have no kernel that would
 * prepare it. */
static inline bool ncc_k210_has_room(const struct k210_options *o)
{
    return !o->short_of_ram && !o->kmodel_v3;
}

bool ncc_k210_legalise(struct graph *g, const struct k210_options *options, struct arena *scratch);
/* node->kpu_us of every node, and why where it cannot be; called by ncc_k210_place. */
void ncc_k210_estimate(struct graph *g, const struct k210_options *options, struct arena *scratch);
/* What a node costs on the CPU as placement counts it: clamps that the kernel before them does cost nothing. */
double ncc_k210_cpu_us(const struct graph *g, const struct node *n, enum ncc_kpu_runtime runtime);
/* What it costs that the KPU reads an input: the firmware feeds it there, or an upload, from floats if those are fed. */
double ncc_k210_input_us(const struct value *v, const struct k210_options *options);
bool ncc_k210_place(struct graph *g, const struct k210_options *options, struct arena *scratch);
/* Sends a value of the canonical graph through main memory for those of its readers that stand at `place` or behind it
 * (nodes are counted from 0): KPU RAM need not keep it in between. */
void ncc_k210_spill(struct graph *g, struct value *v, int place);
double ncc_k210_placed_us(const struct graph *g, const struct k210_options *options); /* estimate, after placement */
bool ncc_k210_lower(struct graph *g, const struct k210_options *options, struct arena *scratch);
/* `patches`, by ids of this graph's values, may be NULL. */
bool ncc_k210_integers(struct graph *g, const struct k210_options *options, const struct patch_table *patches,
                       struct arena *scratch);

/* Adds codes[c] to what channel c of a kpu_layer gives, where its table rises as a straight line; in fractions of a code as
 * well, as sums are finer. Two codes or so: what the layer's numbers may be was proven without. False: there is no such
 * line, or no room; nothing has changed. */
bool ncc_k210_shift_results(struct graph *g, struct node *layer, const double *codes);

/* Has kmodel v3 a CPU kernel for a canonical node? Shapes and types are left to emission. */
bool ncc_k210_v3_has_kernel(enum op op);

/* What a compiled kmodel v4's CPU kernels cannot express is rewritten into what they can (rank above 4 merged,
 * prelu, split, squared_difference ... taken apart). What remains is an error per node. */
bool ncc_k210_cpu_forms(struct graph *g);
/* Operands of these that are broadcast are written out, where that is quicker and there is room. */
void ncc_k210_widen_operands(struct graph *g, const struct k210_options *options);

#endif
