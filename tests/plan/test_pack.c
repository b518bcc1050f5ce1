/* Address allocation on job sets whose optimum is known, since they were cut out of a full rectangle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/plan/address.h"
#include "random.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_JOBS = 6000 };

struct jobs {
    struct job v[MAX_JOBS];
    int n;
};

static int64_t live_at(const struct jobs *j, int step)
{
    int64_t sum = 0;
    for (int i = 0; i < j->n; i++)
        sum += j->v[i].birth <= step && step <= j->v[i].death ? j->v[i].size : 0;
    return sum;
}

static int64_t plain_bound(const struct jobs *j)
{
    int64_t most = 0;
    for (int i = 0; i < j->n; i++) {
        const int64_t sum = live_at(j, j->v[i].birth);
        most = sum > most ? sum : most;
    }
    return most;
}

/* Addresses do not overlap, the peak and the bound are what they are said to be. */
static void check_jobs(const struct jobs *j, const struct plan_memory *m)
{
    int64_t peak = 0;
    for (int i = 0; i < j->n; i++) {
        const struct job *a = &j->v[i];
        assert_true(a->addr >= 0);
        peak = a->addr + a->size > peak ? a->addr + a->size : peak;
        for (int k = 0; k < i; k++) {
            const struct job *b = &j->v[k];
            const bool together = a->birth <= b->death && b->birth <= a->death;
            assert_false(together && a->addr < b->addr + b->size && b->addr < a->addr + a->size);
        }
    }
    assert_int_equal(peak, m->peak);
    assert_int_equal(plain_bound(j), m->bound);
    assert_true(m->peak >= m->bound);
    if (m->peak == m->bound)
        assert_true(m->optimal);
}

/* Cuts steps t0 .. t1 - 1 by bytes a0 .. a1 - 1 into jobs, with a pinwheel now and then, which no sequence of straight
 * cuts can make. */
static void cut(struct jobs *j, struct random *r, int t0, int t1, int a0, int a1, int depth)
{
    const int w = t1 - t0, h = a1 - a0;
    if (depth > 0 && w >= 3 && h >= 3 && random_chance(r, 30)) {
        const int x0 = t0 + 1 + random_int(r, w - 2), x1 = x0 + 1 + random_int(r, t1 - x0 - 1);
        const int y0 = a0 + 1 + random_int(r, h - 2), y1 = y0 + 1 + random_int(r, a1 - y0 - 1);
        cut(j, r, t0, x1, a0, y0, depth - 2);
        cut(j, r, x1, t1, a0, y1, depth - 2);
        cut(j, r, x0, t1, y1, a1, depth - 2);
        cut(j, r, t0, x0, y0, a1, depth - 2);
        cut(j, r, x0, x1, y0, y1, depth - 2);
    } else if (depth > 0 && (w > 1 || h > 1)) {
        if (w > 1 && (h == 1 || random_chance(r, 50))) {
            const int t = t0 + 1 + random_int(r, w - 1);
            cut(j, r, t0, t, a0, a1, depth - 1);
            cut(j, r, t, t1, a0, a1, depth - 1);
        } else {
            const int a = a0 + 1 + random_int(r, h - 1);
            cut(j, r, t0, t1, a0, a, depth - 1);
            cut(j, r, t0, t1, a, a1, depth - 1);
        }
    } else {
        assert_true(j->n < MAX_JOBS);
        j->v[j->n++] = (struct job){64 * (int64_t)h, t0, t1 - 1, -1};
    }
}

static void shuffle(struct jobs *j, struct random *r)
{
    for (int i = j->n - 1; i > 0; i--) {
        const int k = random_int(r, i + 1);
        const struct job t = j->v[i];
        j->v[i] = j->v[k];
        j->v[k] = t;
    }
}

static void pack(struct jobs *j, double seconds, struct plan_memory *m)
{
    struct exit out = {0};
    struct arena a = ncc_arena_make(&out);
    assert_int_equal(setjmp(out.env), 0);
    ncc_plan_pack(j->v, j->n, 0, (int64_t)(seconds * NCC_PLAN_NODES_PER_SECOND), &a, m);
    ncc_arena_release(&a);
}

static void known_optimum(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct jobs j;
    const uint64_t seed = random_seed(1);
    int n_best = 0, most_jobs = 0;
    double worst = 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < N; i++) {
        struct random r = random_make(seed + (uint64_t)i);
        struct plan_memory m;
        const int high = 3 + random_int(&r, 200);
        j.n = 0;
        cut(&j, &r, 0, 3 + random_int(&r, 60), 0, high, 2 + random_int(&r, 5));
        shuffle(&j, &r);
        pack(&j, 0.2, &m);
        check_jobs(&j, &m);
        assert_int_equal(m.bound, 64 * (int64_t)high);
        n_best += m.peak == m.bound;
        most_jobs = j.n > most_jobs ? j.n : most_jobs;
        worst = (double)m.peak / (double)m.bound > worst ? (double)m.peak / (double)m.bound : worst;
    }
    print_message("%d job sets cut from rectangles, up to %d jobs: %d at the optimum, worst %.3f of it\n", N, most_jobs,
                  n_best, worst);
    assert_true(n_best >= N * 95 / 100);
    assert_true(worst < 1.25);
}

enum { FEW = 9, STEPS = 9, LOAD = 13 };

/* A few jobs, as many as there is room for below a load: about one such set in ten thousand cannot be packed at the
 * bound. */
static void fill_densely(struct jobs *j, struct random *r)
{
    int load[STEPS] = {0};
    j->n = 0;
    for (int tries = 0; j->n < FEW && tries < 40; tries++) {
        const int birth = random_int(r, STEPS), death = birth + random_int(r, STEPS - birth);
        const int size = 1 + random_int(r, 6);
        bool fits = true;
        for (int t = birth; t <= death; t++)
            fits = fits && load[t] + size <= LOAD;
        if (!fits)
            continue;
        for (int t = birth; t <= death; t++)
            load[t] += size;
        j->v[j->n++] = (struct job){8 * size, birth, death, -1};
    }
}

/* Where the bound cannot be reached: the proof must agree with trying everything. */
static int64_t best_by_force(const struct jobs *j, int *order, bool *used, int n, int64_t best)
{
    if (n == j->n) {
        int64_t addr[FEW], peak = 0;
        for (int i = 0; i < n; i++) { /* on top of whatever lives with it and is there already */
            const struct job *a = &j->v[order[i]];
            addr[i] = 0;
            for (int k = 0; k < i; k++) {
                const struct job *b = &j->v[order[k]];
                if (a->birth <= b->death && b->birth <= a->death && addr[k] + b->size > addr[i])
                    addr[i] = addr[k] + b->size;
            }
            peak = addr[i] + a->size > peak ? addr[i] + a->size : peak;
        }
        return peak < best ? peak : best;
    }
    for (int i = 0; i < j->n; i++) {
        if (used[i])
            continue;
        used[i] = true;
        order[n] = i;
        best = best_by_force(j, order, used, n + 1, best);
        used[i] = false;
    }
    return best;
}

static void proofs(void **state)
{
    (void)state;
    enum { N = 100000 };
    static struct jobs j;
    const uint64_t seed = random_seed(2);
    int n_above = 0;
    for (int i = 0; i < N; i++) {
        struct random r = random_make(seed + (uint64_t)i);
        struct plan_memory m;
        int order[FEW];
        bool used[FEW] = {false};
        fill_densely(&j, &r);
        pack(&j, 1, &m);
        check_jobs(&j, &m);
        if (!m.optimal)
            print_message("seed %llu, set %d\n", (unsigned long long)seed, i);
        assert_true(m.optimal);
        if (m.peak == m.bound)
            continue;
        n_above++;
        assert_int_equal(m.peak, best_by_force(&j, order, used, 0, INT64_MAX));
    }
    print_message("%d small sets: all proven, %d of them above the bound\n", N, n_above);
    assert_true(n_above > 0);
}

static void edges(void **state)
{
    (void)state;
    static struct jobs j;
    struct plan_memory m;
    j.n = 0;
    pack(&j, 1, &m);
    assert_int_equal(m.peak, 0);
    assert_true(m.optimal);
    j.n = 3;
    j.v[0] = (struct job){0, 0, 5, -1};
    j.v[1] = (struct job){64, 2, 2, -1};
    j.v[2] = (struct job){128, 3, 9, -1};
    pack(&j, 0, &m);
    check_jobs(&j, &m);
    assert_int_equal(m.peak, 128);
}

static void large(void **state)
{
    (void)state;
    static struct jobs j, again;
    struct plan_memory m;
    struct random r = random_make(random_seed(3));
    j.n = 5000;
    for (int i = 0; i < j.n; i++) {
        const int life = random_chance(&r, 5) ? random_int(&r, 400) : random_int(&r, 8);
        j.v[i] = (struct job){64 * (int64_t)(1 + random_int(&r, 1000)), i, i + life, -1};
    }
    again = j;
    const clock_t start = clock();
    pack(&j, 0.1, &m);
    print_message("5000 jobs: %.2f s, peak %.4f of the bound\n", (double)(clock() - start) / CLOCKS_PER_SEC,
                  (double)m.peak / (double)m.bound);
    check_jobs(&j, &m);
    pack(&again, 0.1, &m);
    assert_memory_equal(&j, &again, sizeof j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_optimum),
        cmocka_unit_test(proofs),
        cmocka_unit_test(edges),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
