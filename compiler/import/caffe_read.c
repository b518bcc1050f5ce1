/* Files to a net: which file is what, text and binary, layers of the first version, phases, weights. */
#include "compiler/import/caffe.h"
#include "compiler/import/protobuf.h"
#include "compiler/import/prototxt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TEXT = 1 << 24 }; /* bytes of a prototxt: real ones have at most some 100 KiB */
#define MAX_BINARY ((size_t)1 << 30)

/* ---- text or binary ---- */

bool ncc_caffe_is_text(struct bytes file)
{
    static const char *const words[] = {"name",        "layer", "layers",         "input",     "input_dim",
                                        "input_shape", "state", "force_backward", "debug_info"};
    const char *at = (const char *)file.data, *end = at + file.size;
    while (at < end && (isspace((unsigned char)*at) || *at == '#')) {
        const char *line = *at == '#' ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        at = *at == '#' ? (line ? line : end) : at + 1;
    }
    const char *start = at;
    while (at < end && (islower((unsigned char)*at) || *at == '_'))
        at++;
    const size_t length = (size_t)(at - start);
    while (at < end && isspace((unsigned char)*at))
        at++;
    for (size_t i = 0; at < end && strchr(":{", *at) && i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && memcmp(words[i], start, length) == 0)
            return true;
    return false;
}

bool ncc_caffe_probe(struct bytes file)
{
    size_t at = 0, n_layers = 0;
    while (at < file.size) {
        uint64_t word[2] = {0, 0}; /* tag, and number or length */
        for (int k = 0; k < 2; k++) {
            uint8_t byte = 128;
            for (int shift = 0; byte >= 128; shift += 7) {
                if (at >= file.size || shift > 56)
                    return false;
                byte = file.data[at++];
                word[k] |= (uint64_t)(byte & 127) << shift;
            }
        }
        const ProtobufCFieldDescriptor *f =
            word[0] >> 3 < 200
                ? protobuf_c_message_descriptor_get_field(&caffe__net__descriptor, (unsigned)(word[0] >> 3))
                : NULL;
        const bool is_flag = word[0] >> 3 == 5 || word[0] >> 3 == 7; /* force_backward, debug_info */
        const bool is_number = (word[0] & 7) == PROTOBUF_C_WIRE_TYPE_VARINT;
        if ((!f && !is_flag) || (!is_number && (word[0] & 7) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) ||
            (is_flag && !is_number) || (!is_number && word[1] > file.size - at))
            return false;
        at += is_number ? 0 : (size_t)word[1];
        n_layers += f && (f->id == 100 || f->id == 2);
    }
    return n_layers > 0;
}

static const void *read_binary(struct caffe *m, const ProtobufCMessageDescriptor *type, struct bytes file,
                               const char *path)
{
    const char *why = NULL;
    const void *message = ncc_protobuf_read(type, file, m->arena, &why);
    if (!message)
        ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = path}, "the caffemodel cannot be read",
                       "fetch the file again, or convert it with the Caffe that made it", "the file %s", why);
    return message;
}

static const Caffe__Net *read_text(struct caffe *m, struct bytes file, const char *path)
{
    if (file.size <= MAX_TEXT)
        return (const Caffe__Net *)ncc_prototxt_read(&caffe__net__descriptor, file, path, m->arena, m->diags);
    ncc_diag_error(m->diags, FAULT_INPUT, (struct place){.file = path}, "a prototxt must be smaller than 16 MiB",
                   "leave weights to the caffemodel", "%zu bytes", file.size);
    return NULL;
}

/* ---- the other file ---- */

static const char *with_extension(struct caffe *m, const char *path, const char *extension)
{
    const char *old = ncc_file_extension(path);
    const size_t length = strlen(path) - (*old ? strlen(old) + 1 : 0);
    return ncc_arena_printf(m->arena, "%.*s.%s", (int)length, path, extension);
}

/* MODEL is the prototxt. */
static bool read_from_text(struct caffe *m, struct bytes bytes, const char *path)
{
    struct cf_files *f = &m->files;
    if (m->options->caffe_prototxt && strcmp(m->options->caffe_prototxt, path) != 0) {
        ncc_diag_error(m->diags, FAULT_USAGE, (struct place){.file = path},
                       "with --caffe-prototxt the model must be a caffemodel", "give the caffemodel as the model",
                       "it is a prototxt, too");
        return false;
    }
    const char *weights = with_extension(m, path, "caffemodel");
    f->net_file = path;
    f->net = read_text(m, bytes, path);
    f->is_text = true;
    f->missing = weights;
    if (!f->net || access(weights, R_OK) != 0)
        return f->net != NULL;
    f->weights_file = weights;
    if (!ncc_file_read(weights, MAX_BINARY, m->arena, m->diags, &bytes))
        return false;
    f->weights = read_binary(m, &caffe__weights__descriptor, bytes, weights);
    return f->weights != NULL;
}

/* MODEL is the caffemodel. */
static bool read_from_binary(struct caffe *m, struct bytes bytes, const char *path)
{
    struct cf_files *f = &m->files;
    const char *given = m->options->caffe_prototxt, *text = given ? given : with_extension(m, path, "prototxt");
    f->weights_file = path;
    f->weights = read_binary(m, &caffe__weights__descriptor, bytes, path);
    f->is_text = given || access(text, R_OK) == 0;
    f->net_file = f->is_text ? text : path;
    if (!f->weights)
        return false;
    if (!f->is_text)
        f->net = read_binary(m, &caffe__net__descriptor, bytes, path);
    else if (ncc_file_read(text, MAX_TEXT, m->arena, m->diags, &bytes))
        f->net = read_text(m, bytes, text);
    return f->net != NULL;
}

bool ncc_caffe_read(struct caffe *m, struct bytes bytes, const char *path)
{
    return ncc_caffe_is_text(bytes) ? read_from_text(m, bytes, path) : read_from_binary(m, bytes, path);
}

/* ---- layers of the first version ---- */

static const char *type_of(Caffe__V1Layer__Type type)
{
    static const char *const names[] = {
        "",
        "Accuracy",
        "BNLL",
        "Concat",
        "Convolution",
        "Data",
        "Dropout",
        "EuclideanLoss",
        "Flatten",
        "HDF5Data",
        "HDF5Output",
        "Im2col",
        "ImageData",
        "InfogainLoss",
        "InnerProduct",
        "LRN",
        "MultinomialLogisticLoss",
        "Pooling",
        "ReLU",
        "Sigmoid",
        "Softmax",
        "SoftmaxWithLoss",
        "Split",
        "TanH",
        "WindowData",
        "Eltwise",
        "Power",
        "SigmoidCrossEntropyLoss",
        "HingeLoss",
        "MemoryData",
        "ArgMax",
        "Threshold",
        "DummyData",
        "Slice",
        "MVN",
        "AbsVal",
        "Silence",
        "ContrastiveLoss",
        "Exp",
        "Deconvolution",
    };
    const unsigned i = (unsigned)type;
    return i < sizeof names / sizeof *names ? names[i] : "";
}

/* The same in today's form. Parameters are messages of the same types, and are shared. */
static const Caffe__Layer *upgrade(struct caffe *m, const Caffe__V1Layer *old)
{
    Caffe__Layer *l = NCC_NEW(m->arena, Caffe__Layer, 1);
    caffe__layer__init(l);
    l->name = old->name;
    l->type = ncc_arena_printf(m->arena, "%s", type_of(old->type));
    l->n_bottom = old->n_bottom;
    l->bottom = old->bottom;
    l->n_top = old->n_top;
    l->top = old->top;
    l->n_include = old->n_include;
    l->include = old->include;
    l->n_exclude = old->n_exclude;
    l->exclude = old->exclude;
    l->argmax_param = old->argmax_param;
    l->concat_param = old->concat_param;
    l->convolution_param = old->convolution_param;
    l->dummy_data_param = old->dummy_data_param;
    l->eltwise_param = old->eltwise_param;
    l->exp_param = old->exp_param;
    l->inner_product_param = old->inner_product_param;
    l->lrn_param = old->lrn_param;
    l->memory_data_param = old->memory_data_param;
    l->mvn_param = old->mvn_param;
    l->pooling_param = old->pooling_param;
    l->power_param = old->power_param;
    l->relu_param = old->relu_param;
    l->slice_param = old->slice_param;
    l->softmax_param = old->softmax_param;
    return l;
}

/* ---- phases ---- */

static bool has_stage(const Caffe__State *state, const char *stage)
{
    for (size_t i = 0; state && i < state->n_stage; i++)
        if (strcmp(state->stage[i], stage) == 0)
            return true;
    return false;
}

/* Inference is phase TEST, whatever the net's own state says; its level and stages count. */
static bool meets(const Caffe__Rule *rule, const Caffe__State *state)
{
    const int level = state ? state->level : 0;
    bool good = !(rule->has_phase && rule->phase != CAFFE__PHASE__TEST) &&
                !(rule->has_min_level && level < rule->min_level) && !(rule->has_max_level && level > rule->max_level);
    for (size_t i = 0; good && i < rule->n_stage; i++)
        good = has_stage(state, rule->stage[i]);
    for (size_t i = 0; good && i < rule->n_not_stage; i++)
        good = !has_stage(state, rule->not_stage[i]);
    return good;
}

static bool takes_part(const Caffe__Layer *l, const Caffe__State *state)
{
    bool in = l->n_include == 0;
    for (size_t i = 0; i < l->n_include && !in; i++)
        in = meets(l->include[i], state);
    for (size_t i = 0; i < l->n_exclude && in; i++)
        in = !meets(l->exclude[i], state);
    return in;
}

bool ncc_caffe_layers(struct caffe *m, const Caffe__Layer ***layers, int *n)
{
    const Caffe__Net *net = m->files.net;
    const struct place where = {.file = m->files.net_file};
    *layers = NCC_NEW(m->arena, const Caffe__Layer *, net->n_layer + net->n_layers);
    *n = 0;
    if (net->n_layer && net->n_layers) {
        ncc_diag_error(m->diags, FAULT_INPUT, where, "a net must have layers of one version",
                       "upgrade it with Caffe's upgrade_net_proto_text", "%zu called 'layer', %zu called 'layers'",
                       net->n_layer, net->n_layers);
        return false;
    }
    for (size_t i = 0; i < net->n_layer; i++)
        if (takes_part(net->layer[i], net->state))
            (*layers)[(*n)++] = net->layer[i];
    for (size_t i = 0; i < net->n_layers; i++) {
        if (net->layers[i]->layer) {
            ncc_diag_error(m->diags, FAULT_INPUT, where, "layers of the very first form (V0) are not read",
                           "upgrade the net with Caffe's upgrade_net_proto_text", NULL);
            return false;
        }
        const Caffe__Layer *l = upgrade(m, net->layers[i]);
        if (takes_part(l, net->state))
            (*layers)[(*n)++] = l;
    }
    return true;
}

/* ---- weights ---- */

struct named {
    const char *name;
    size_t order;
    Caffe__Blob **blobs;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int c = strcmp(x->name, y->name);
    return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* The last one of that name, as in Caffe, where each overwrites those before. */
static const struct named *find(const struct named *list, size_t n, const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(list[middle].name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && strcmp(list[low - 1].name, name) == 0 ? &list[low - 1] : NULL;
}

void ncc_caffe_match_weights(struct caffe *m)
{
    const Caffe__Weights *w = m->files.weights;
    if (!w)
        return;
    struct named *list = NCC_NEW(m->arena, struct named, w->n_layer + w->n_layers);
    size_t n = 0;
    for (size_t i = 0; i < w->n_layer; i++)
        if (w->layer[i]->n_blobs && w->layer[i]->name)
            list[n++] = (struct named){w->layer[i]->name, i, w->layer[i]->blobs, w->layer[i]->n_blobs};
    for (size_t i = 0; i < w->n_layers; i++)
        if (w->layers[i]->n_blobs && w->layers[i]->name)
            list[n++] = (struct named){w->layers[i]->name, w->n_layer + i, w->layers[i]->blobs, w->layers[i]->n_blobs};
    qsort(list, n, sizeof *list, by_name);
    for (int i = 0; i < m->n_layers; i++) {
        const struct named *own = find(list, n, m->layers[i].name);
        if (own) {
            m->layers[i].weights = own->blobs;
            m->layers[i].n_weights = (int)own->n;
        }
    }
}

/* ---- types ---- */

const struct cf_row *ncc_caffe_row(const char *type)
{
    static const struct cf_row rows[] = {
#define CF_OP(type, builder, detail, min_in, max_in)                                                                   \
    {#type, CF_LAYER, ncc_caffe_build_##builder, NULL, min_in, max_in, detail},
#define CF_SOURCE(type)       {#type, CF_SOURCE, NULL, NULL, 0, 0, 0},
#define CF_DROP(type)         {#type, CF_DROPPED, NULL, NULL, 0, 0, 0},
#define CF_NAME(type, shapes, remedy) {#type, CF_NAMED, NULL, remedy, 0, 0, shapes},
#include "compiler/import/caffe_ops.def"
#undef CF_OP
#undef CF_SOURCE
#undef CF_DROP
#undef CF_NAME
    };
    static const struct cf_row unknown = {.kind = CF_UNKNOWN};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].type, type) == 0)
            return &rows[i];
    return &unknown;
}
