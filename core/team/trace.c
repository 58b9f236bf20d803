/* trace.c: what each thread does, in the Chrome trace format.
 *
 * During a run a tile's times go to its place in an array, and the tiles that a worker
 * ran are a list in it, in their order. They are written between runs, when the team is
 * at rest: nothing is allocated, locked or printed while workers run. */
#include "trace.h"

#include "../data/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

typedef struct Event {
    int64_t begin, end; /* nanoseconds */
    int next;           /* tile of the same worker; -1: none */
} Event;

typedef struct Row {
    _Alignas(ARENA_ALIGN) int64_t begin; /* of the tile at hand */
    int first, last;                     /* tiles of this run; -1: none */
} Row;

struct Trace {
    Team *team;
    Watch watch;
    Draft draft;
    int error;    /* errno of the first line that could not be written */
    int64_t zero; /* when it began */
    int threads;
    Row *row; /* [threads] */
    Arena arena;

    Event *event; /* [room], by tile */
    int room;
    uint64_t updates, left_out; /* left_out: runs, for want of memory */

    /* The run at hand. */
    bool running;
    const Tile *tile; /* its first; NULL: left out */
    bool updating;
    int64_t start;
};

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- writing: without floating point, whose point may be a comma ---- */

static void write_microseconds(FILE *out, const char *name, int64_t nanoseconds)
{
    fprintf(out, ",\"%s\":%" PRId64 ".%03d", name, nanoseconds / 1000,
            (int)(nanoseconds % 1000));
}

/* All but the end of the args. */
static void write_event(const Trace *t, const char *name, const char *category,
                        int worker, int64_t begin, int64_t end)
{
    FILE *const out = t->draft.out;
    fprintf(out, ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%d",
            name, category, worker);
    write_microseconds(out, "ts", begin - t->zero);
    write_microseconds(out, "dur", end - begin);
    fputs(",\"args\":{", out);
    if (t->running && t->updating) fprintf(out, "\"update\":%" PRIu64, t->updates);
}

static void write_end(const Trace *t)
{
    fputs("}}", t->draft.out);
}

static void write_plain(const Trace *t, const char *name, const char *category,
                        int worker, int64_t begin, int64_t end)
{
    write_event(t, name, category, worker, begin, end);
    write_end(t);
}

static void write_tile(const Trace *t, int number, int worker)
{
    FILE *const out = t->draft.out;
    const Tile *const tile = &t->tile[number];
    const Event *const e = &t->event[number];
    write_event(t, tile->name, t->updating ? "update" : "score", worker, e->begin,
                e->end);
    fprintf(out, "%s\"tile\":%d,\"chunk\":%d", t->updating ? "," : "", number,
            tile->index);
    if (tile->layer >= 0) fprintf(out, ",\"layer\":%d", tile->layer);
    if (tile->end > 0) fprintf(out, ",\"first\":%d,\"end\":%d", tile->first, tile->end);
    if (tile->parts > 1)
        fprintf(out, ",\"part\":%d,\"parts\":%d", tile->part, tile->parts);
    write_end(t);
}

static void write_wait(const Trace *t, int worker, int64_t begin, int64_t end)
{
    if (begin < end) write_plain(t, "wait", "wait", worker, begin, end);
}

static void write_row(const Trace *t, int worker, int64_t stop)
{
    int64_t at = t->start;
    for (int i = t->row[worker].first; i >= 0; i = t->event[i].next) {
        write_wait(t, worker, at, t->event[i].begin);
        write_tile(t, i, worker);
        at = t->event[i].end;
    }
    write_wait(t, worker, at, stop);
}

static void write_name(FILE *out, const char *kind, int worker, const char *separator)
{
    fprintf(out, "%s{\"name\":\"%s\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{",
            separator, kind, worker);
}

static void write_head(const Trace *t)
{
    FILE *const out = t->draft.out;
    write_name(out, "process_name", 0, "{\"traceEvents\":[\n");
    fputs("\"name\":\"weft\"}}", out);
    for (int i = 0; i < t->threads; i++) {
        write_name(out, "thread_name", i, ",\n");
        fprintf(out, "\"name\":\"thread %d\"}}", i);
    }
}

/* ---- watching ---- */

static bool make_room(Trace *t, int count)
{
    if (count <= t->room) return true;
    Event *const more = realloc(t->event, (size_t)count * sizeof *more);
    if (!more) return false;
    t->event = more;
    t->room = count;
    return true;
}

static void on_start(void *context, TileList *list)
{
    Trace *const t = context;
    const int count = tiles_count(list);
    const bool room = count > 0 && make_room(t, count);
    t->running = true;
    t->tile = room ? tiles_get(list, 0) : NULL;
    t->left_out += count > 0 && !room;
    t->updating = tiles_named(list, "update");
    t->updates += t->updating;
    for (int i = 0; i < t->threads; i++) t->row[i].first = t->row[i].last = -1;
    t->start = now();
}

static void on_begin(void *context, const Tile *tile, int worker)
{
    const Trace *const t = context;
    if (tile->name) t->row[worker].begin = now();
}

static void on_end(void *context, const Tile *tile, int worker)
{
    Trace *const t = context;
    Row *const row = &t->row[worker];
    if (!tile->name) return;
    const int64_t end = now();
    if (!t->running) write_plain(t, tile->name, "serial", worker, row->begin, end);
    if (!t->running || !t->tile) return;
    const int number = (int)(tile - t->tile);
    t->event[number] = (Event){.begin = row->begin, .end = end, .next = -1};
    if (row->last < 0)
        row->first = number;
    else
        t->event[row->last].next = number;
    row->last = number;
}

static void on_stop(void *context)
{
    Trace *const t = context;
    const int64_t stop = now();
    for (int i = 0; t->tile && i < t->threads; i++) write_row(t, i, stop);
    t->running = false;
    write_plain(t, "trace", "serial", 0, stop, now()); /* what the above has taken */
    if (ferror(t->draft.out) && !t->error) t->error = errno;
}

/* ---- opening ---- */

static bool trace_begin(Trace *t, const char *path, Error *err)
{
    const size_t threads = (size_t)t->threads;
    if (!arena_open(&t->arena, threads * sizeof *t->row, err)) return false;
    Arena arena = t->arena;
    t->row = ARENA_TAKE(&arena, Row, threads);
    if (file_begin(path, &t->draft, err)) return true;
    arena_close(&t->arena);
    return false;
}

bool trace_open(Team *team, const char *path, Trace **trace, Error *err)
{
    Trace *const t = calloc(1, sizeof *t);
    if (!t) return error(err, "out of memory for a trace");
    t->team = team;
    t->threads = weft_team_threads(team);
    if (!trace_begin(t, path, err)) {
        free(t);
        return false;
    }
    t->zero = now();
    write_head(t);
    t->watch = (Watch){.start = on_start,
                       .begin = on_begin,
                       .end = on_end,
                       .stop = on_stop,
                       .context = t};
    team_watch(team, &t->watch);
    *trace = t;
    return true;
}

bool trace_close(Trace *t, Error *err)
{
    team_unwatch(t->team, &t->watch);
    fprintf(t->draft.out,
            "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{\"left_out\":%" PRIu64
            "}}\n",
            t->left_out);
    if (t->error) errno = t->error;
    const bool done = file_end(&t->draft, true, err);
    free(t->event);
    arena_close(&t->arena);
    free(t);
    return done;
}
