/* What ncc eval measured as one HTML page.
 *
 *     dB |  +-+  <>       a column is a layer alone, the line goes through all layers up to each; a diamond is
 *        |  | |--*--+-+   the worst output when only that layer is in codes: those that cost the outputs most
 *        |  | |  +-+| |   have a colour and a number
 *        +---------------- layers in the order of running
 */
#include "compiler/report/html.h"
#include "compiler/report/judgement.h"

#include <ncc/compiler.h>

#include <math.h>

enum { N_WORST = 8 };

struct judgement_page {
    struct page page;
    const struct judgement *j;
    int worst[N_WORST], n_worst;
};

/* 1 for the first layer to look at; 0: not one of these. */
static int rank_of(const struct judgement_page *jp, int layer)
{
    for (int i = 0; i < jp->n_worst; i++)
        if (jp->worst[i] == layer)
            return i + 1;
    return 0;
}

static const char *db_text(struct page *p, double db)
{
    return isfinite(db) ? ncc_arena_printf(p->arena, "%.1f", db) : db > 0 ? "exact" : "&minus;";
}

/* ---- the plot ---- */

enum { LEFT = 46, TOP = 34, HEIGHT = 260, BOTTOM = 34, RIGHT = 14, WIDTH = 1000 };

struct plot {
    double step; /* width of a layer */
    double top;  /* decibels at the upper end */
};

/* Up to 80 dB: more is as good as exact. */
static struct plot plot_of(const struct judgement *j)
{
    struct plot plot = {.step = fmin(fmax((double)WIDTH / j->layers.n, 10), 90), .top = 40};
    for (int i = 0; i < j->layers.n; i++) {
        const struct judged_layer *l = &j->layers.v[i];
        plot.top = isfinite(l->own_db) ? fmax(plot.top, l->own_db) : plot.top;
        plot.top = isfinite(l->total_db) ? fmax(plot.top, l->total_db) : plot.top;
        plot.top = isfinite(ncc_judged_outputs_db(l)) ? fmax(plot.top, ncc_judged_outputs_db(l)) : plot.top;
    }
    plot.top = fmin(ceil(plot.top / 10) * 10, 80);
    return plot;
}

static double y_of(const struct plot *plot, double db)
{
    return TOP + HEIGHT * (1 - fmin(fmax(db, 0), plot->top) / plot->top);
}

static double middle_of(const struct plot *plot, int layer)
{
    return LEFT + (layer + 0.5) * plot->step;
}

static void put_grid(struct page *p, const struct plot *plot, double right)
{
    for (int db = 0; db <= plot->top; db += 10)
        ncc_page_put(p,
                     "<line x1=\"%d\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/><text x=\"%d\" y=\"%.1f\" "
                     "text-anchor=\"end\">%d</text>\n",
                     LEFT, right, y_of(plot, db), y_of(plot, db), db ? "#e4e4e4" : "#888", LEFT - 6, y_of(plot, db) + 4,
                     db);
    ncc_page_put(p, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">dB</text>\n", LEFT - 6, TOP - 14);
}

/* A diamond, 9 pixels high. */
static void put_diamond(struct page *p, double x, double y)
{
    ncc_page_put(p, "<path class=\"effect\" d=\"M%.1f %.1fl4.5 4.5l-4.5 4.5l-4.5 -4.5z\"/>", x, y - 4.5);
}

enum { KEY_WIDTH = 720 };

static void put_key(struct page *p, bool effects)
{
    ncc_page_put(p,
                 "<rect x=\"%d\" y=\"10\" width=\"12\" height=\"10\" class=\"own\"/><text x=\"%d\" y=\"19\">this layer "
                 "alone</text><rect x=\"%d\" y=\"10\" width=\"12\" height=\"10\" class=\"bad\"/><text x=\"%d\" "
                 "y=\"19\">%s</text><line x1=\"%d\" x2=\"%d\" y1=\"15\" y2=\"15\" class=\"total\"/>"
                 "<text x=\"%d\" y=\"19\">all layers up to this one</text>\n",
                 LEFT + 4, LEFT + 22, LEFT + 124, LEFT + 142,
                 effects ? "those that cost the outputs most" : "the least precise ones", LEFT + 346, LEFT + 368,
                 LEFT + 374);
    if (!effects)
        return;
    put_diamond(p, LEFT + 524, 15);
    ncc_page_put(p, "<text x=\"%d\" y=\"19\">worst output, this layer alone</text>\n", LEFT + 536);
}

static void put_column(struct judgement_page *jp, const struct plot *plot, int i)
{
    struct page *p = &jp->page;
    const struct judged_layer *l = &jp->j->layers.v[i];
    const int rank = rank_of(jp, i);
    const double width = fmin(plot->step * 0.72, 30), y = y_of(plot, l->own_db), x = middle_of(plot, i);
    const char *kind = rank ? "bad" : isfinite(l->own_db) ? "own" : "exact";
    ncc_page_put(p,
                 "<a href=\"#j%d\"><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"hit\"/><rect "
                 "x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>",
                 i, x - plot->step / 2, TOP, plot->step, HEIGHT, x - width / 2, y, width, TOP + HEIGHT - y, kind);
    if (rank)
        ncc_page_put(p, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"rank\">%d</text>", x,
                     TOP + HEIGHT - 5, rank);
    ncc_page_put(p, "<title>%d %s, %s: %s dB alone, %s dB with all before it", i, ncc_page_escape(p, l->name),
                 ncc_page_escape(p, l->op), db_text(p, l->own_db), db_text(p, l->total_db));
    if (l->worst_output >= 0)
        ncc_page_put(p, ", %s dB at %s", db_text(p, ncc_judged_outputs_db(l)),
                     ncc_page_escape(p, jp->j->outputs.v[l->worst_output].name));
    ncc_page_put(p, "</title></a>\n");
}

static void put_effects(struct judgement_page *jp, const struct plot *plot)
{
    for (int i = 0; i < jp->j->layers.n; i++) {
        const double db = ncc_judged_outputs_db(&jp->j->layers.v[i]);
        if (isfinite(db))
            put_diamond(&jp->page, middle_of(plot, i), y_of(plot, db));
    }
}

static void put_line(struct judgement_page *jp, const struct plot *plot)
{
    struct page *p = &jp->page;
    ncc_page_put(p, "<polyline class=\"total\" points=\"");
    for (int i = 0; i < jp->j->layers.n; i++)
        ncc_page_put(p, "%s%.1f,%.1f", i ? " " : "", middle_of(plot, i), y_of(plot, jp->j->layers.v[i].total_db));
    ncc_page_put(p, "\"/>\n");
    for (int i = 0; i < jp->j->layers.n; i++)
        ncc_page_put(p, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", middle_of(plot, i),
                     y_of(plot, jp->j->layers.v[i].total_db), fmin(3, plot->step / 5));
}

/* Numbers below the columns, as many as there is room for. */
static void put_numbers(struct judgement_page *jp, const struct plot *plot)
{
    const int every = (int)ceil(26 / plot->step);
    for (int i = 0; i < jp->j->layers.n; i += every)
        ncc_page_put(&jp->page, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>", middle_of(plot, i),
                     TOP + HEIGHT + 15, i);
}

static void put_plot(struct judgement_page *jp)
{
    struct page *p = &jp->page;
    const struct plot plot = plot_of(jp->j);
    const double right = LEFT + plot.step * jp->j->layers.n;
    const double width = fmax(right + RIGHT, LEFT + KEY_WIDTH);
    ncc_page_put(
        p,
        "<h2>Signal to noise, layer by layer</h2>\n<p class=\"soft\">Decibels on %d samples: 6 dB are one bit. "
        "Columns: the layer has real inputs, and only it works on codes. Line: everything before it does too. "
        "Columns without filling are exact. Diamonds: the worst output when only this layer works on codes. Point at a "
        "column for its name; it leads to its row below.</p>\n"
        "<div class=\"wrap\"><svg class=\"plot\" viewBox=\"0 0 %.0f %d\" style=\"width:%.0fpx;max-width:%s\" "
        "role=\"img\">\n",
        jp->j->n_layer_samples, width, TOP + HEIGHT + BOTTOM, width, plot.step > 10 ? "100%" : "none");
    put_key(p, jp->j->n_effect_samples > 0);
    put_grid(p, &plot, right);
    for (int i = 0; i < jp->j->layers.n; i++)
        put_column(jp, &plot, i);
    put_line(jp, &plot);
    put_effects(jp, &plot);
    put_numbers(jp, &plot);
    ncc_page_put(p, "</svg></div>\n");
}

/* ---- lists ---- */

static void put_outputs(struct page *p, const struct judgement *j)
{
    ncc_page_put(p,
                 "<h2>Outputs</h2>\n<div class=\"wrap\"><table><tr><th>output</th><th>shape</th><th class=\"n\">mean "
                 "cosine</th><th class=\"n\">worst cosine</th><th>of sample</th><th class=\"n\">SQNR dB</th><th "
                 "class=\"n\">largest error</th><th class=\"n\">largest value</th><th class=\"n\">same "
                 "top-1</th></tr>\n");
    for (int i = 0; i < j->outputs.n; i++) {
        const struct judged_output *o = &j->outputs.v[i];
        char shape[80];
        ncc_page_put(p,
                     "<tr><td class=\"name\">%s</td><td class=\"f\">%s</td><td class=\"n\">%.5f</td><td "
                     "class=\"n\">%.5f</td><td "
                     "class=\"soft\">%s</td><td class=\"n\">%s</td><td class=\"n\">%.4g</td><td class=\"n\">%.4g</td>",
                     ncc_page_escape(p, o->name), ncc_shape_text(o->shape, shape), o->mean_cosine, o->worst_cosine,
                     ncc_page_escape(p, o->worst_sample), db_text(p, o->sqnr_db), o->max_error, o->scale);
        if (o->agreement >= 0)
            ncc_page_put(p, "<td class=\"n\">%.1f %%</td></tr>\n", o->agreement);
        else
            ncc_page_put(p, "<td></td></tr>\n");
    }
    ncc_page_put(p, "</table></div>\n");
    if (j->n_labelled)
        ncc_page_put(p, "<p><b>Top-1</b> of %d labelled samples: source model %.2f %%, kmodel %.2f %%.</p>\n",
                     j->n_labelled, j->float_top1, j->top1);
}

static void put_worst(struct judgement_page *jp)
{
    struct page *p = &jp->page;
    const bool effects = jp->j->n_effect_samples > 0;
    if (!jp->n_worst)
        return;
    ncc_page_put(p,
                 "<h2>%s</h2>\n<div class=\"wrap\"><table><tr><th></th><th>layer</th>%s<th class=\"n\">alone, "
                 "dB</th><th>likely reason</th></tr>\n",
                 effects ? "What costs the outputs most" : "Where precision is lost",
                 effects ? "<th class=\"n\">outputs, dB</th><th class=\"n\">share</th><th>of the error of</th>" : "");
    for (int i = 0; i < jp->n_worst; i++) {
        const struct judged_layer *l = &jp->j->layers.v[jp->worst[i]];
        ncc_page_put(p,
                     "<tr><td><span class=\"tag cpu\">%d</span></td><td class=\"name\"><a href=\"#j%d\">%s</a><div "
                     "class=\"soft\">%s</div></td>",
                     i + 1, jp->worst[i], ncc_page_escape(p, l->name), ncc_page_escape(p, l->op));
        if (effects)
            ncc_page_put(p, "<td class=\"n\">%s</td><td class=\"n\">%.0f %%</td><td>%s</td>",
                         db_text(p, ncc_judged_outputs_db(l)), l->share,
                         ncc_page_escape(p, jp->j->outputs.v[l->worst_output].name));
        ncc_page_put(p, "<td class=\"n\">%s</td><td class=\"reason\">%s</td></tr>\n", db_text(p, l->own_db),
                     ncc_page_escape(p, l->reason));
    }
    ncc_page_put(p, "</table></div>\n");
}

static void put_layers_head(struct page *p, const struct judgement *j)
{
    ncc_page_put(p, "<h2>Layers</h2>\n<p class=\"soft\">");
    if (j->n_effect_samples)
        ncc_page_put(
            p,
            "<b>outputs</b>: the worst output when only this layer works on codes, on %d sample%s, and what that "
            "is of what all layers do to it, one by one. ",
            j->n_effect_samples, j->n_effect_samples == 1 ? "" : "s");
    else if (j->no_effects)
        ncc_page_put(p, "<b>outputs</b> is not shown: %s. ", ncc_page_escape(p, j->no_effects));
    ncc_page_put(p, "<b>input</b>, <b>result</b>: if only the inputs, or only the "
                    "result, were rounded to codes. <b>clipped</b>: share of the results beyond the codes' ends. "
                    "<b>range</b>: share of the range that holds 99.9 %% of the results.</p>\n<div class=\"wrap\">"
                    "<table><tr><th class=\"n\">#</th><th>layer</th><th class=\"n\">alone</th><th class=\"n\">with all "
                    "before</th><th class=\"n\">outputs</th><th class=\"n\">share</th><th class=\"n\">input</th><th "
                    "class=\"n\">result</th><th class=\"n\">clipped</th><th "
                    "class=\"n\">range</th><th class=\"n\">silent channels</th></tr>\n");
}

static void put_layers(struct judgement_page *jp)
{
    struct page *p = &jp->page;
    put_layers_head(p, jp->j);
    for (int i = 0; i < jp->j->layers.n; i++) {
        const struct judged_layer *l = &jp->j->layers.v[i];
        ncc_page_put(
            p,
            "<tr id=\"j%d\"%s><td class=\"n\">%d</td><td class=\"name\">%s<div class=\"soft\">%s</div></td><td "
            "class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">",
            i, rank_of(jp, i) ? " class=\"worst\"" : "", i, ncc_page_escape(p, l->name), ncc_page_escape(p, l->op),
            db_text(p, l->own_db), db_text(p, l->total_db), db_text(p, ncc_judged_outputs_db(l)));
        if (l->worst_output >= 0)
            ncc_page_put(p, "%.1f %%", l->share);
        ncc_page_put(p,
                     "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%.3f %%</td><td "
                     "class=\"n\">%.0f %%</td><td class=\"n\">",
                     db_text(p, l->input_db), db_text(p, l->output_db), l->clipped, 100 * l->used);
        if (l->n_silent)
            ncc_page_put(p, "%d of %d", l->n_silent, l->n_channels);
        ncc_page_put(p, "</td></tr>\n");
    }
    ncc_page_put(p, "</table></div>\n");
}

static void put_gains(struct page *p, const struct judgement *j)
{
    if (!j->gains.n)
        return;
    ncc_page_put(p, "<h2>Steps of quantisation</h2>\n<p class=\"soft\">Mean signal to noise of the outputs when the "
                    "model is compiled with another set of steps.</p>\n<div class=\"wrap\"><table><tr><th>option</th>"
                    "<th class=\"n\">dB</th><th class=\"n\">change</th></tr>\n");
    for (int i = 0; i < j->gains.n; i++) {
        const struct judged_gain *g = &j->gains.v[i];
        ncc_page_put(p, "<tr><td>%s</td>", ncc_page_escape(p, g->option));
        if (isnan(g->db))
            ncc_page_put(p, "<td colspan=\"2\" class=\"soft\">does not compile</td></tr>\n");
        else
            ncc_page_put(p, "<td class=\"n\">%.2f</td><td class=\"n\">%+.2f</td></tr>\n", g->db,
                         g->db - j->gains.v[0].db);
    }
    ncc_page_put(p, "</table></div>\n");
}

char *ncc_judgement_html(const struct judgement *j, struct arena *a)
{
    struct judgement_page jp = {.page = {.arena = a, .text = ""}, .j = j};
    struct page *p = &jp.page;
    jp.n_worst = ncc_judgement_worst(j, jp.worst, N_WORST);
    ncc_page_begin(p, j->model);
    ncc_page_put(p, "<p class=\"soft\">against %s, judged by ncc %s</p>\n<dl><dt>samples</dt><dd>%s</dd></dl>\n",
                 ncc_page_escape(p, j->kmodel), ncc_version(), ncc_page_escape(p, j->data_text));
    put_outputs(p, j);
    if (j->no_layers) {
        ncc_page_put(p, "<p><b>Layers</b> are not shown: %s.</p>\n", ncc_page_escape(p, j->no_layers));
    } else if (j->layers.n) {
        put_plot(&jp);
        put_worst(&jp);
        put_layers(&jp);
    }
    put_gains(p, j);
    ncc_page_end(p);
    return p->text;
}
