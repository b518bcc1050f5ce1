/* Numbers that stand in TFLite files: fields (F_<table>_<field>), element types, activations, option tables. */
#ifndef NCC_IMPORT_TFLITE_SCHEMA_H
#define NCC_IMPORT_TFLITE_SCHEMA_H

enum tf_field {
#define FIELD(table, field, number) F_##table##_##field = number,
#include "compiler/import/tflite_schema.def"
#undef FIELD
};

enum { TF_SCHEMA_VERSION = 3 };

enum tf_type {
    TF_F32, TF_F16, TF_I32, TF_U8, TF_I64, TF_STRING, TF_BOOL, TF_I16, TF_COMPLEX64, TF_I8, TF_F64, TF_COMPLEX128,
    TF_U64, TF_RESOURCE, TF_VARIANT, TF_U32, TF_U16, TF_I4, N_TF_TYPES
};

enum tf_padding { TF_SAME, TF_VALID };
enum tf_activation {
    TF_ACT_NONE, TF_ACT_RELU, TF_ACT_RELU_N1_TO_1, TF_ACT_RELU6, TF_ACT_TANH,
    TF_ACT_RELU_0_TO_1 = 1000, /* an operator only; files have bytes here */
};
enum { TF_CUSTOM_CODE = 32 }; /* of all custom operators */
enum { TF_L2_POOL = -1 }; /* among pools, which are operators of the graph else */
enum tf_mirror { TF_REFLECT, TF_SYMMETRIC };

/* Which table an operator's options are. Operators without options accept any. */
enum tf_options {
    TF_OPT_none = 0, TF_OPT_conv = 1, TF_OPT_depthwise = 2, TF_OPT_pool = 5, TF_OPT_fully_connected = 8,
    TF_OPT_softmax = 9, TF_OPT_concat = 10, TF_OPT_add = 11, TF_OPT_l2_norm = 12, TF_OPT_resize_bilinear = 15,
    TF_OPT_reshape = 17, TF_OPT_space_to_depth = 19, TF_OPT_mul = 21, TF_OPT_gather = 23, TF_OPT_reduce = 27,
    TF_OPT_sub = 28, TF_OPT_div = 29, TF_OPT_squeeze = 30, TF_OPT_strided_slice = 32, TF_OPT_split = 35,
    TF_OPT_transpose_conv = 49, TF_OPT_pack = 59, TF_OPT_unpack = 64, TF_OPT_resize_nearest = 74,
    TF_OPT_leaky_relu = 75, TF_OPT_lrn = 13, TF_OPT_sequence_rnn = 31, TF_OPT_sequence_lstm = 71,
    TF_OPT_fake_quant = 58, TF_OPT_one_hot = 61, TF_OPT_batch_matmul = 101, TF_OPT_cumsum = 102, TF_OPT_gelu = 121, TF_OPT_mirror_pad = 77, TF_OPT_split_v = 79, TF_OPT_depth_to_space = 94,
};

#endif
