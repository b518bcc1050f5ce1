#include "tools/trace.h"

#include <ncc/samples.h>

#include <stdlib.h>
#include <string.h>

static void save(struct trace *t, const struct ncc_node_event *event, int rank, const int *dims, const void *data)
{
    char path[4096];
    const int length =
        snprintf(path, sizeof path, "%s/%s.%04u.%s.npy", t->folder, t->sample, (unsigned)event->node, event->op);
    if (length < 0 || (size_t)length >= sizeof path ||
        !ncc_npy_save(path, event->element == NCC_U8, rank, dims, data, stderr))
        t->failed = true;
}

/* The simulator hands out one batch after another, and then the runtime tells that the node is done. */
static void keep_layer(void *ctx, const struct ncc_sim_layer *layer)
{
    struct trace *t = ctx;
    const size_t size = (size_t)layer->out_c * (size_t)layer->out_h * (size_t)layer->out_w;
    uint8_t *map = realloc(t->map, t->map_size + size);
    if (!map) {
        t->failed = true;
        return;
    }
    memcpy(map + t->map_size, layer->output, size);
    t->map = map;
    t->map_size += size;
}

static void save_node(void *ctx, const struct ncc_node_event *event)
{
    struct trace *t = ctx;
    size_t map_size = 1;
    for (int i = 0; i < 4; i++)
        map_size *= (size_t)event->kpu_shape[i];
    if (map_size > 0 && map_size == t->map_size) {
        save(t, event, 4,
             (const int[]){event->kpu_shape[0], event->kpu_shape[1], event->kpu_shape[2], event->kpu_shape[3]}, t->map);
    } else if (event->data) {
        const int n = (int)(event->element == NCC_F32 ? event->size / sizeof(float) : event->size);
        save(t, event, 1, &n, event->data);
    }
    t->map_size = 0;
}

void ncc_trace_attach(struct trace *t, struct ncc_model *model, struct ncc_sim *sim)
{
    ncc_model_observe(model, save_node, t);
    ncc_sim_set_trace(sim, keep_layer, t);
}

void ncc_trace_release(struct trace *t)
{
    free(t->map);
    *t = (struct trace){0};
}
