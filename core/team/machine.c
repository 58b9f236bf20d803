/* machine.c: the machine as hwloc sees it. */
#include "machine.h"

#include <assert.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHES 3

static const hwloc_obj_type_t cache_types[CACHES] = {
    HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE};

/* Where a worker runs. */
typedef struct Place {
    hwloc_obj_t pu;
    hwloc_bitmap_t before; /* where its thread was allowed before it was bound */
} Place;

struct Machine {
    hwloc_topology_t topology;
    bool here; /* not a described one */
    double quota;
    int cores, pus, domain;
    size_t cache[CACHES]; /* [level - 1]: bytes; 0: not known */
    Place *place;         /* [pus], by worker */
};

/* ---- opening ---- */

/* OpenMP's own binding has already narrowed this thread's affinity to one place: it
 * must not be mistaken for the user's. */
static bool openmp_binds(void)
{
    return getenv("OMP_PROC_BIND") || getenv("GOMP_CPU_AFFINITY");
}

/* Leaves what the calling thread may run on. hwloc's own flag for this asks the whole process,
 * in which an OpenMP library may keep threads that have an older, wider affinity. */
static bool restrict_to_caller(Machine *machine, Error *err)
{
    const hwloc_bitmap_t set = hwloc_bitmap_alloc();
    if (!set) return error(err, "out of memory for the machine");
    const bool good =
        hwloc_get_cpubind(machine->topology, set, HWLOC_CPUBIND_THREAD) != 0 ||
        hwloc_topology_restrict(machine->topology, set, 0) == 0;
    hwloc_bitmap_free(set);
    return good ||
           error(err, "hwloc cannot restrict the machine to this thread's affinity");
}

static bool load(Machine *machine, const char *description, Error *err)
{
    if (hwloc_topology_init(&machine->topology) != 0)
        return error(err, "hwloc: out of memory");
    if (description) {
        if (hwloc_topology_set_synthetic(machine->topology, description) != 0)
            return error(err,
                         "machine '%s' is not understood: expected levels with counts, "
                         "as \"package:2 l3:8 core:8 pu:2\"",
                         description);
    } else {
        if (hwloc_topology_set_flags(machine->topology,
                                     HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM) != 0)
            return error(err, "hwloc does not know this system");
    }
    if (hwloc_topology_load(machine->topology) != 0)
        return error(err, "hwloc cannot read the topology of %s",
                     description ? description : "this machine");
    return description || openmp_binds() || restrict_to_caller(machine, err);
}

/* Some virtual machines tell of no cores. */
static hwloc_obj_type_t core_type(hwloc_topology_t t)
{
    return hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE
                                                           : HWLOC_OBJ_PU;
}

/* One hardware thread of each core in turn, then the second ones, and so on. */
static bool take_places(Machine *machine, Error *err)
{
    const hwloc_topology_t t = machine->topology;
    machine->pus = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PU);
    const hwloc_obj_type_t type = core_type(t);
    machine->cores = hwloc_get_nbobjs_by_type(t, type);
    machine->place = calloc((size_t)machine->pus, sizeof *machine->place);
    if (!machine->place) return error(err, "out of memory for %d places", machine->pus);

    for (int taken = 0, round = 0; taken < machine->pus; round++)
        for (int i = 0; i < machine->cores; i++) {
            const hwloc_obj_t core = hwloc_get_obj_by_type(t, type, (unsigned)i);
            const hwloc_obj_t pu = hwloc_get_obj_inside_cpuset_by_type(
                t, core->cpuset, HWLOC_OBJ_PU, (unsigned)round);
            if (!pu) continue;
            const hwloc_bitmap_t before = hwloc_bitmap_alloc();
            if (!before) return error(err, "out of memory for %d places", machine->pus);
            machine->place[taken++] = (Place){.pu = pu, .before = before};
        }
    return true;
}

static int common_divisor(int a, int b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static int find_domain(const Machine *machine)
{
    const hwloc_topology_t t = machine->topology;
    const hwloc_obj_type_t types[] = {HWLOC_OBJ_L3CACHE, HWLOC_OBJ_PACKAGE,
                                      HWLOC_OBJ_MACHINE};
    int type = 0, domain = 0;
    while (hwloc_get_nbobjs_by_type(t, types[type]) <= 0) type++;
    for (int i = 0; i < hwloc_get_nbobjs_by_type(t, types[type]); i++) {
        const hwloc_obj_t shared = hwloc_get_obj_by_type(t, types[type], (unsigned)i);
        domain = common_divisor(domain, hwloc_get_nbobjs_inside_cpuset_by_type(
                                            t, shared->cpuset, core_type(t)));
    }
    return domain;
}

/* hwloc makes up the size of a cache that is described without one. */
static bool gives_size(const char *description, int level)
{
    const char name[] = {'l', (char)('0' + level), 0};
    const char *const word = strcasestr(description, name);
    if (!word) return false;
    const char *const size = strstr(word, "size=");
    return size && size < word + strcspn(word, " ");
}

static void find_caches(Machine *machine, const char *description)
{
    for (int i = 0; i < CACHES; i++) {
        const hwloc_obj_t cache =
            hwloc_get_obj_by_type(machine->topology, cache_types[i], 0);
        if (cache && (!description || gives_size(description, i + 1)))
            machine->cache[i] = (size_t)cache->attr->cache.size;
    }
}

bool machine_open(const char *description, Machine **machine, Error *err)
{
    Machine *const m = calloc(1, sizeof *m);
    if (!m) return error(err, "out of memory for the machine");
    m->here = !description;
    if (!load(m, description, err) || !take_places(m, err)) {
        machine_close(m);
        return false;
    }
    m->quota = m->here ? quota_read("") : 0;
    m->domain = find_domain(m);
    find_caches(m, description);
    *machine = m;
    return true;
}

void machine_close(Machine *machine)
{
    if (!machine) return;
    for (int i = 0; machine->place && i < machine->pus; i++)
        hwloc_bitmap_free(machine->place[i].before);
    free(machine->place);
    if (machine->topology) hwloc_topology_destroy(machine->topology);
    free(machine);
}

/* ---- asking ---- */

int machine_cores(const Machine *machine)
{
    return machine->cores;
}

int machine_pus(const Machine *machine)
{
    return machine->pus;
}

int machine_nodes(const Machine *machine)
{
    return hwloc_get_nbobjs_by_type(machine->topology, HWLOC_OBJ_NUMANODE);
}

int machine_usable(const Machine *machine)
{
    return quota_cores(machine->quota, machine->cores);
}

int machine_domain(const Machine *machine)
{
    return machine->domain;
}

size_t machine_cache(const Machine *machine, int level)
{
    assert(1 <= level && level <= CACHES);
    return machine->cache[level - 1];
}

void machine_note(const Machine *machine, char text[MACHINE_NOTE])
{
    const long present = machine->here ? sysconf(_SC_NPROCESSORS_ONLN) : 0;
    quota_note(machine->quota, machine->cores, text, MACHINE_NOTE);
    const size_t length = strlen(text);
    if (present > machine->pus)
        snprintf(text + length, MACHINE_NOTE - length,
                 "%saffinity or cpuset leave %d of %ld hardware threads",
                 length ? "; " : "", machine->pus, present);
}

int machine_place(const Machine *machine, int worker)
{
    assert(worker >= 0);
    return worker < machine->pus ? (int)machine->place[worker].pu->os_index : -1;
}

/* ---- binding ---- */

/* Where a thread runs never decides a bit, so that a system that refuses is no
 * error. */
void machine_bind(Machine *machine, int worker)
{
    assert(machine->here && worker < machine->pus);
    const Place *const place = &machine->place[worker];
    if (hwloc_get_cpubind(machine->topology, place->before, HWLOC_CPUBIND_THREAD) != 0)
        hwloc_bitmap_zero(place->before);
    else
        (void)hwloc_set_cpubind(machine->topology, place->pu->cpuset,
                                HWLOC_CPUBIND_THREAD);
}

void machine_unbind(Machine *machine, int worker)
{
    const Place *const place = &machine->place[worker];
    if (!hwloc_bitmap_iszero(place->before))
        (void)hwloc_set_cpubind(machine->topology, place->before, HWLOC_CPUBIND_THREAD);
}

/* ---- describing ---- */

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

static void write_caches(const Machine *machine, FILE *out)
{
    static const struct {
        hwloc_obj_type_t type;
        const char *name;
    } level[] = {{HWLOC_OBJ_L1CACHE, "L1d"},
                 {HWLOC_OBJ_L2CACHE, "L2"},
                 {HWLOC_OBJ_L3CACHE, "L3"},
                 {HWLOC_OBJ_L4CACHE, "L4"}};
    for (size_t i = 0; i < sizeof level / sizeof *level; i++) {
        const int count = hwloc_get_nbobjs_by_type(machine->topology, level[i].type);
        if (count <= 0) continue;
        const hwloc_obj_t cache =
            hwloc_get_obj_by_type(machine->topology, level[i].type, 0);
        const int cores = hwloc_get_nbobjs_inside_cpuset_by_type(
            machine->topology, cache->cpuset, HWLOC_OBJ_CORE);
        fprintf(out, "%-10s %llu KiB", level[i].name,
                (unsigned long long)cache->attr->cache.size >> 10);
        if (cores > 1) fprintf(out, ", each of %d cores", cores);
        fprintf(out, "; %d of them\n", count);
    }
}

static void write_usable(const Machine *machine, FILE *out)
{
    char note[MACHINE_NOTE];
    const int usable = machine_usable(machine);
    machine_note(machine, note);
    fprintf(out, "%-10s %d core%s%s%s\n", "usable", usable, plural(usable),
            *note ? "; " : "", note);
}

void machine_write(const Machine *machine, FILE *out)
{
    const hwloc_topology_t t = machine->topology;
    hwloc_obj_t package = hwloc_get_obj_by_type(t, HWLOC_OBJ_PACKAGE, 0);
    if (!package) package = hwloc_get_root_obj(t);
    const char *const model = hwloc_obj_get_info_by_name(package, "CPUModel");
    const int packages = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_PACKAGE);
    const int nodes = machine_nodes(machine);
    if (model) {
        int length = (int)strlen(model); /* some are padded with blanks */
        while (length > 0 && model[length - 1] == ' ') length--;
        fprintf(out, "%-10s %.*s\n", "processor", length, model);
    }
    fprintf(out, "%-10s %d, with %d hardware thread%s, in %d package%s\n", "cores",
            machine->cores, machine->pus, plural(machine->pus), packages,
            plural(packages));
    write_caches(machine, out);
    fprintf(out, "%-10s %d NUMA node%s\n", "memory", nodes, plural(nodes));
    write_usable(machine, out);
}
