/* machine.h: the cores of this machine that a process may use, or a machine described.
 * Hides hwloc. */
#pragma once

#include "../error.h"

typedef struct Machine Machine;

/* description: NULL, this machine as affinity and cpuset let us see it; else hwloc's
 * words for any machine: "package:2 l3:8 core:8 pu:2". */
bool machine_open(const char *description, Machine **machine, Error *err);
void machine_close(Machine *machine);

int machine_cores(const Machine *machine); /* physical */
int machine_pus(const Machine *machine);   /* hardware threads */
int machine_nodes(const Machine *machine); /* of memory (NUMA) */

/* Cores worth a thread: no more than the quota pays for, at least one. */
int machine_usable(const Machine *machine);

/* The hardware thread of worker i, as the operating system numbers it: one on each
 * physical core in turn, neighbours sharing caches, then the second of each core. -1
 * past the last. */
int machine_place(const Machine *machine, int worker);

/* Workers 0 .. domain - 1 share an L3 cache (where a machine has none, a package), so do
 * the next as many, and so on: SMT aside, all that share it, or an even part of them where
 * affinity has left caches with unlike numbers of cores. */
int machine_domain(const Machine *machine);

/* Bytes of one cache of level 1, 2 or 3;
 * 0: there is none, or
 * the description gives no size ("l3:8(size=32MiB)"). */
size_t machine_cache(const Machine *machine, int level);

/* Why fewer cores are usable than present, as "the cgroup quota pays for 2 of 64 cores";
 * "" where all are. */
#define MACHINE_NOTE 160
void machine_note(const Machine *machine, char text[MACHINE_NOTE]);

/* Moves the calling thread there, and back to where it was allowed before. */
void machine_bind(Machine *machine, int worker);
void machine_unbind(Machine *machine, int worker);

/* Lines: cores, caches, nodes, quota. */
void machine_write(const Machine *machine, FILE *out);

/* CPUs' worth of time that the process's own cgroup and those above it grant; 0: as
 * much as there is. quota.c; root: where proc and sys are, "" but for tests. */
double quota_read(const char *root);

/* cores, or the quota rounded up when that is less. */
int quota_cores(double quota, int cores);

/* What it leaves: "the cgroup quota pays for 2 of 64 cores", or "". */
void quota_note(double quota, int cores, char *text, size_t size);
