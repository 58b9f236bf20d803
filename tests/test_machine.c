/* test_machine.c: machines described, quotas made up, and this machine. */
#include "../core/team/machine.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static Machine *machine(const char *description)
{
    Machine *m;
    Error err;
    cr_assert(machine_open(description, &m, &err), "%s", err.text);
    return m;
}

/* ---- described machines ---- */

Test(machine, a_description_is_counted)
{
    Machine *const m = machine("numa:2 core:4 pu:2");
    cr_assert_eq(machine_nodes(m), 2);
    cr_assert_eq(machine_cores(m), 8);
    cr_assert_eq(machine_pus(m), 16);
    cr_assert_eq(machine_usable(m), 8);
    machine_close(m);
}

Test(machine, physical_cores_come_first)
{
    Machine *const m = machine("numa:2 core:4 pu:2");
    for (int worker = 0; worker < 8; worker++) {
        cr_assert_eq(machine_place(m, worker), 2 * worker);
        cr_assert_eq(machine_place(m, 8 + worker), 2 * worker + 1);
    }
    cr_assert_eq(machine_place(m, 16), -1);
    machine_close(m);
}

Test(machine, neighbours_share_caches)
{
    Machine *const m = machine("package:2 l3:2 core:3 pu:1");
    for (int worker = 0; worker < 12; worker++)
        cr_assert_eq(machine_place(m, worker), worker);
    machine_close(m);
}

Test(machine, without_cores_hardware_threads_count)
{
    Machine *const m = machine("package:1 pu:3");
    cr_assert_eq(machine_cores(m), 3);
    cr_assert_eq(machine_place(m, 2), 2);
    machine_close(m);
}

Test(machine, a_large_server_is_described_in_lines)
{
    char text[4096] = "";
    FILE *const out = fmemopen(text, sizeof text, "w");
    Machine *const m = machine("package:2 l3:8 core:8 pu:2");
    machine_write(m, out);
    fclose(out);
    machine_close(m);
    cr_assert(strstr(text, "128, with 256 hardware threads, in 2 packages"), "%s",
              text);
    cr_assert(strstr(text, "each of 8 cores; 16 of them"), "%s", text);
    cr_assert(strstr(text, "128 cores\n"), "%s", text);
}

Test(machine, cores_that_share_an_l3_are_a_domain)
{
    static const struct {
        const char *description;
        int domain;
    } of[] = {{"package:1 l3:8 core:8 pu:1", 8},
              {"package:2 l3:4 core:6 pu:2", 6},
              {"numa:2 l3:1 l2:4 core:2 pu:2", 8},
              {"package:2 core:28 pu:2", 28}, /* none: a package */
              {"core:4 pu:2", 4},
              {"l3:2 pu:3", 3}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        Machine *const m = machine(of[i].description);
        cr_expect_eq(machine_domain(m), of[i].domain, "%s: %d", of[i].description,
                     machine_domain(m));
        machine_close(m);
    }
}

Test(machine, caches_have_the_sizes_of_the_description)
{
    Machine *m = machine("package:1 l3:8(size=32MiB) l2:8(size=512KiB) core:1 pu:1");
    cr_expect_eq(machine_cache(m, 3), 32 << 20);
    cr_expect_eq(machine_cache(m, 2), 512 << 10);
    cr_expect_eq(machine_cache(m, 1), 0);
    machine_close(m);
    m = machine("package:1 l3:8 L2:8(size=1MiB) core:1(indexes=0*1) pu:1");
    cr_expect_eq(machine_cache(m, 3), 0, "made up: %zu", machine_cache(m, 3));
    cr_expect_eq(machine_cache(m, 2), 1 << 20);
    machine_close(m);
}

Test(machine, a_bad_description_is_an_error)
{
    static const char *const bad[] = {"nonsense", "core:", "core:-1", "core:2 pu:0",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Machine *m;
        Error err = {0};
        cr_assert(!machine_open(bad[i], &m, &err), "%s", bad[i]);
        cr_assert(strstr(err.text, "is not understood"), "%s", err.text);
    }
}

/* ---- this machine ---- */

Test(machine, this_one_has_a_core)
{
    Machine *const m = machine(NULL);
    cr_assert_geq(machine_cores(m), 1);
    cr_assert_geq(machine_pus(m), machine_cores(m));
    cr_assert_geq(machine_usable(m), 1);
    cr_assert_leq(machine_usable(m), machine_cores(m));
    machine_close(m);
}

/* In a process of one thread, as by taskset: 0 when the machine is the one CPU
 * allowed. */
static int alone_on(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    Machine *m;
    if (sched_setaffinity(0, sizeof one, &one) != 0) return 1;
    if (!machine_open(NULL, &m, NULL)) return 2;
    char note[MACHINE_NOTE], expected[MACHINE_NOTE] = "";
    const long present = sysconf(_SC_NPROCESSORS_ONLN);
    if (present > 1)
        snprintf(expected, sizeof expected,
                 "affinity or cpuset leave 1 of %ld hardware threads", present);
    machine_note(m, note);
    if (!strstr(note, expected)) return 4;
    return machine_cores(m) == 1 && machine_domain(m) == 1 && machine_place(m, 0) == cpu
               ? 0
               : 3;
}

Test(machine, affinity_is_respected)
{
    int status;
    const int cpu = sched_getcpu();
    const pid_t child = fork();
    if (child == 0) _exit(alone_on(cpu));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

Test(machine, unbinding_restores_the_affinity)
{
    cpu_set_t before, bound, after;
    Machine *const m = machine(NULL);
    sched_getaffinity(0, sizeof before, &before);
    machine_bind(m, 0);
    sched_getaffinity(0, sizeof bound, &bound);
    machine_unbind(m, 0);
    sched_getaffinity(0, sizeof after, &after);
    cr_assert_eq(CPU_COUNT(&bound), 1);
    cr_assert(CPU_ISSET((size_t)machine_place(m, 0), &bound));
    cr_assert(CPU_EQUAL(&before, &after));
    machine_close(m);
}

/* ---- quota ---- */

/* A folder that stands for /, made up file by file. */
static char root[] = "/tmp/weft-test-XXXXXX";

static void begin(void)
{
    cr_assert(mkdtemp(root));
}

static void end(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert(system(command) == 0);
}

static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + sizeof root; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(full, 0777);
        *slash = '/';
    }
    FILE *const file = fopen(full, "w");
    cr_assert(file, "%s", full);
    fputs(text, file);
    fclose(file);
}

TestSuite(quota, .init = begin, .fini = end);

Test(quota, none_where_there_are_no_cgroups)
{
    cr_assert_eq(quota_read(root), 0);
    put("/proc/self/cgroup", "0::/\n");
    cr_assert_eq(quota_read(root), 0);
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    cr_assert_eq(quota_read(root), 0);
}

Test(quota, v2_in_the_own_group)
{
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
    cr_assert_eq(quota_read(root), 2.5);
}

Test(quota, v2_the_least_on_the_way_up)
{
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "150000 50000\n");
    cr_assert_eq(quota_read(root), 3);
}

Test(quota, v2_in_a_container_at_the_mount)
{
    put("/proc/self/cgroup", "0::/docker/that/only/the/host/sees\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    cr_assert_eq(quota_read(root), 0.5);
}

Test(quota, v1_among_other_controllers)
{
    put("/proc/self/cgroup",
        "9:name=systemd:/x\n4:cpuset:/x\n3:cpu,cpuacct:/x/y\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(quota_read(root), 0);
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(quota_read(root), 3);
}

Test(quota, v1_with_cpu_alone)
{
    put("/proc/self/cgroup", "1:cpu:/\n2:cpuacct:/\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "700000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(quota_read(root), 7);
}

Test(quota, rubbish_is_no_limit)
{
    put("/proc/self/cgroup", "\n:\n::\nrubbish\n0::/a\n7:cpu:/b\n");
    put("/sys/fs/cgroup/a/cpu.max", "many\n");
    put("/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "x\n");
    put("/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "0\n");
    cr_assert_eq(quota_read(root), 0);
}

Test(cores, the_quota_is_rounded_up)
{
    cr_assert_eq(quota_cores(0, 8), 8);
    cr_assert_eq(quota_cores(0.5, 8), 1);
    cr_assert_eq(quota_cores(2, 8), 2);
    cr_assert_eq(quota_cores(2.5, 8), 3);
    cr_assert_eq(quota_cores(7.5, 8), 8);
    cr_assert_eq(quota_cores(64, 8), 8);
    cr_assert_eq(quota_cores(1e18, 8), 8);
}

Test(cores, what_the_quota_leaves_is_told)
{
    char text[MACHINE_NOTE];
    quota_note(1.5, 64, text, sizeof text);
    cr_assert_str_eq(text, "the cgroup quota pays for 2 of 64 cores");
    quota_note(0, 64, text, sizeof text);
    cr_assert_str_eq(text, "");
    quota_note(63.5, 64, text, sizeof text);
    cr_assert_str_eq(text, "");
}
