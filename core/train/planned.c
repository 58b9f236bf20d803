/* planned.c: what an update is predicted to take, shared out in each of the ways, on this
 * machine or another. */
#include "../net/schedule.h"
#include "../team/machine.h"
#include "../team/measure.h"
#include "train.h"

#include <string.h>

typedef struct Planning {
    WeftNet *net;
    const WeftPlan *plan;
    PassShape shape;
    int cores, domain;
    Terms terms;
    Rates rates;        /* of a core alone */
    const char *origin; /* of these */
    FILE *out;
} Planning;

/* ---- what the plan is for ---- */

static bool find_cores(Planning *p, Error *err)
{
    const WeftPlan *const plan = p->plan;
    const PlanMachine *const here = &team_terms(p->net->team)->machine;
    int cores = here->cores, domain = here->domain;
    if (plan->machine) {
        Machine *machine;
        if (!machine_open(plan->machine, &machine, err)) return false;
        cores = machine_cores(machine);
        domain = machine_domain(machine);
        machine_close(machine);
    }
    if (plan->cores < 0 || plan->cores > cores)
        return error(err, "%d cores: expected 0 (all) to the %d of the machine",
                     plan->cores, cores);
    p->cores = plan->cores ? plan->cores : cores;
    p->domain = domain;
    return true;
}

static bool find_rates(Planning *p, Error *err)
{
    p->origin = p->plan->rates ? p->plan->rates : "measured here";
    if (!(p->plan->rates ? rates_read(p->plan->rates, &p->rates, err)
                         : rates_measure(p->net->team, &p->rates, err)))
        return false;
    p->terms = terms_of(p->cores, p->domain, &p->rates);
    return true;
}

static bool find_shape(Planning *p, Error *err)
{
    const WeftPlan *const plan = p->plan;
    WeftTrain train;
    if (!train_settle(plan->train, &train, err)) return false;
    const PassShape shape =
        train_shape(&train, plan->steps, plan->rows, plan->source_steps);
    return pass_shape(p->net, &shape, &p->shape, err);
}

/* ---- what comes of it ---- */

static void write_head(const Planning *p)
{
    const PassShape *const s = &p->shape;
    const PlanMachine *const m = &p->terms.machine;
    fprintf(
        p->out,
        "an update: %d chunk%s of %d steps, %d rows\n"
        "machine:   %d core%s, %d with an L3; rates: %s, peak %.1f GFLOP/s a core\n\n",
        s->windows, s->windows == 1 ? "" : "s", s->chunk, s->B, m->cores,
        m->cores == 1 ? "" : "s", m->domain, p->origin, p->rates.peak * 1e-9);
}

static void write_columns(FILE *out, const char *first)
{
    fprintf(out, "%-8s%6s%6s%7s%7s%7s%11s%10s%9s%9s%8s%8s%10s\n", first, "rows",
            "units", "chunks", "parts", "ahead", "ms", "GFLOP/s", "of peak", "speed-up",
            "limit", "waits", "MiB");
}

/* speed-up: over one core; limit: what no number of cores goes beyond. */
static void write_choice(const Planning *p, const char *name, const Choice *c,
                         const Choice *one)
{
    const double cores = p->terms.machine.cores, seconds = c->plan.seconds;
    const Split *const s = &c->split;
    fprintf(p->out, "%-8s%6d%6d%7d%7d%7d%11.3f%10.1f%7.1f %%%8.2f%9.2f%6.1f %%%10.1f\n",
            name, s->rows, s->units, s->slots, s->parts, s->ahead, seconds * 1e3,
            c->flops / seconds * 1e-9,
            100 * c->flops / seconds / (p->rates.peak * cores),
            one->plan.seconds / seconds, one->plan.work / c->plan.path,
            100 * c->plan.waiting / (cores * seconds), (double)c->bytes / (1 << 20));
}

static void write_explained(FILE *out)
{
    fputs(
        "\nrows     blocks of rows of the batch\n"
        "units    threads of the gang that runs a block, each its hidden units\n"
        "chunks   in flight at once: backward beside forward of later ones\n"
        "parts    of weight gradients\n"
        "ahead    parts of what comes before a loop over time, as tiles of their own\n"
        "speed-up over one core; limit: what it has with any number of cores\n"
        "waits    share of the cores' time without a tile\n",
        out);
}

/* The best with this split forced, over the whole update. */
static bool choose(Planning *p, WeftSplit split, Choice *choice, Error *err)
{
    Terms terms = p->terms;
    terms.split = split;
    terms.memory = team_terms(p->net->team)->memory;
    return schedule_choose(p->net, &p->shape, &terms, choice, err) &&
           schedule_try(p->net, &p->shape, p->shape.windows, &p->terms, &choice->split,
                        choice, err);
}

static bool try_one_core(const Planning *p, Choice *one, Error *err)
{
    const Terms terms = terms_of(1, 1, &p->rates);
    return schedule_try(p->net, &p->shape, p->shape.windows, &terms,
                        &(Split){1, 1, 1, 1, 0}, one, err);
}

/* The best of all, then the best of each way alone. */
static bool write_ways(Planning *p, const Choice *one, Error *err)
{
    static const char *const names[] = {"auto", "rows", "units", "chunks", "layers"};
    const WeftSplit only = team_terms(p->net->team)->split;
    write_columns(p->out, "split");
    for (int way = WEFT_SPLIT_AUTO; way <= WEFT_SPLIT_LAYERS; way++) {
        Choice choice;
        if (only != WEFT_SPLIT_AUTO && way != (int)only) continue;
        if (!choose(p, (WeftSplit)way, &choice, err)) return false;
        write_choice(p, names[way], &choice, one);
    }
    return true;
}

/* A row for each power of two of cores. */
static bool write_table(Planning *p, const Choice *one, Error *err)
{
    const PlanMachine all = p->terms.machine;
    write_columns(p->out, "cores");
    for (int cores = 1;; cores = 2 * cores < all.cores ? 2 * cores : all.cores) {
        Choice choice;
        char name[16];
        p->terms = terms_of(cores, all.domain, &p->rates);
        if (!choose(p, team_terms(p->net->team)->split, &choice, err)) return false;
        snprintf(name, sizeof name, "%d", cores);
        write_choice(p, name, &choice, one);
        if (cores == all.cores) return true;
    }
}

bool weft_net_plan(WeftNet *net, const WeftPlan *plan, FILE *out, WeftError *err)
{
    if (!net || !plan || !plan->train || !out)
        return error(err, "weft_net_plan needs a net, a plan with train, and a file");
    Planning p = {.net = net, .plan = plan, .out = out};
    Choice one;
    if (!find_shape(&p, err) || !find_cores(&p, err) || !find_rates(&p, err) ||
        !try_one_core(&p, &one, err))
        return false;
    write_head(&p);
    if (!(plan->table ? write_table : write_ways)(&p, &one, err)) return false;
    write_explained(out);
    return !ferror(out) || error(err, "the plan cannot be written");
}
