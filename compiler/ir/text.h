/* The text form of a graph: what --print-after shows and golden tests are written in.
 *
 *     graph "digits.tflite"
 *     input %x f32 1x3x32x32
 *     const %w f32 8x3x3x3 = zeros            # or: splat 0.5, iota, random 7, { 1, 2, 3.5 }
 *     %y = conv2d(%x, %w, _) stride_h=2 pad_top=1 @"conv_1"   # _ : an absent input; @: node name
 *     %z = relu(%y)
 *     %a, %b = split(%z) axis=1 sizes=[4,4]
 *     output %z "prob"
 *
 * Types are inferred, so the parser needs none for nodes; the printer adds them as comments:
 *     %y = conv2d(%x, %w, _) stride_h=2 @"conv_1"    # f32 1x8x16x16 kpu{canvas..} range[..] quant(..)
 * Attributes with their default value are left out. Quantisation and ranges that matter for
 * the meaning are written behind the value list: `%q = quantize(%x) !q(0.0078, 128)`,
 * `input %x u8 1x3x8x8 !q(0.0039, 0)`, `!range(-1, 1)`, and are read back.
 */
#ifndef NCC_IR_TEXT_H
#define NCC_IR_TEXT_H

#include "compiler/ir/op.h"

/* The whole graph. Constants of at most 16 elements are written out, larger ones as
 * `{...} # 3456 elements, -0.5 .. 0.5` which the parser refuses unless `all_data`. */
char *ncc_text_print(const struct graph *g, bool all_data, struct arena *a);

/* Parses; errors are diagnostics with line numbers, and NULL. */
struct graph *ncc_text_parse(const char *text, const char *file, struct arena *a, struct diags *d);

#endif
