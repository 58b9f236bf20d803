/* quota.c: how many CPUs' worth of time the cgroups grant (hwloc does not say). */
#include "machine.h"

#include <math.h>
#include <string.h>

#define PATH_MAX_BYTES 4096

static double lesser(double a, double b) /* b, when a is no number */
{
    return a < b ? a : b;
}

/* The two numbers of a limit; "max", -1 and a missing file are no limit. */
static double limit(double quota, double period)
{
    return quota > 0 && period > 0 ? quota / period : INFINITY;
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[PATH_MAX_BYTES];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path ? fopen(path, "r") : NULL;
}

static double read_number(const char *folder, const char *name)
{
    double number = 0;
    FILE *const file = open_in(folder, name);
    if (!file) return 0;
    if (fscanf(file, "%lf", &number) != 1) number = 0;
    fclose(file);
    return number;
}

/* cgroup v2: "cpu.max" is "quota period" or "max period". */
static double limit_v2(const char *folder)
{
    double quota = 0, period = 0;
    FILE *const file = open_in(folder, "cpu.max");
    if (!file) return INFINITY;
    if (fscanf(file, "%lf %lf", &quota, &period) != 2) quota = 0;
    fclose(file);
    return limit(quota, period);
}

static double limit_v1(const char *folder)
{
    return limit(read_number(folder, "cpu.cfs_quota_us"),
                 read_number(folder, "cpu.cfs_period_us"));
}

/* The least limit of a group and all above it, up to `mount`. In a container the
 * group's path may be one that only the host can see: then the mount itself is the
 * container's. */
static double limit_up(const char *mount, const char *group,
                       double (*limit_of)(const char *folder))
{
    char path[PATH_MAX_BYTES];
    const int n = snprintf(path, sizeof path, "%s%s", mount, group);
    if (n < 0 || (size_t)n >= sizeof path) return INFINITY;
    double least = INFINITY;
    for (char *end = path + n; end; end = strrchr(path + strlen(mount), '/')) {
        *end = 0;
        least = lesser(limit_of(path), least);
    }
    return least;
}

/* Whether `controllers`, "cpu,cpuacct", has cpu. */
static bool has_cpu(char *controllers)
{
    char *rest = NULL;
    for (char *c = strtok_r(controllers, ",", &rest); c; c = strtok_r(NULL, ",", &rest))
        if (strcmp(c, "cpu") == 0) return true;
    return false;
}

/* A line of /proc/self/cgroup: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1). */
static double limit_line(const char *root, char *line)
{
    static const char *const mounts[] = {"cpu", "cpu,cpuacct", "cpuacct,cpu"};
    char *const controllers = strchr(line, ':');
    char *const group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return INFINITY;
    *group = 0;
    char mount[PATH_MAX_BYTES];
    double least = INFINITY;
    if (!controllers[1]) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return limit_up(mount, group + 1, limit_v2);
    }
    if (!has_cpu(controllers + 1)) return INFINITY;
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, mounts[i]);
        least = lesser(limit_up(mount, group + 1, limit_v1), least);
    }
    return least;
}

double quota_read(const char *root)
{
    char line[PATH_MAX_BYTES], folder[PATH_MAX_BYTES];
    snprintf(folder, sizeof folder, "%s/proc/self", root);
    FILE *const file = open_in(folder, "cgroup");
    if (!file) return 0;
    double least = INFINITY;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        least = lesser(limit_line(root, line), least);
    }
    fclose(file);
    return isinf(least) ? 0 : least;
}

int quota_cores(double quota, int cores)
{
    if (quota <= 0 || quota >= cores) return cores;
    const int paid = (int)ceil(quota);
    return paid < 1 ? 1 : paid;
}

void quota_note(double quota, int cores, char *text, size_t size)
{
    const int paid = quota_cores(quota, cores);
    text[0] = 0;
    if (paid < cores)
        snprintf(text, size, "the cgroup quota pays for %d of %d cores", paid, cores);
}
