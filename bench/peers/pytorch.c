/* pytorch.c: PyTorch as one of the peers: pytorch.py in a process of its own, asked through
 * a socket. pytorch.py has what is said there. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3" /* the one that Debian's python3-torch is for */

static pid_t child;
static FILE *to, *from;
static Layer open_now; /* sizes of the layer that is open */

static bool ask(const char *question)
{
    return fputs(question, to) >= 0 && fflush(to) == 0;
}

/* Reads "yes TEXT" into text [size]; "no TEXT" or silence: an error. */
static bool answer(char *text, size_t size, Error *err)
{
    char line[512];
    if (!fgets(line, sizeof line, from)) return error(err, "%s ended", PYTHON);
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "yes ", 4) != 0)
        return error(err, "%s", strncmp(line, "no ", 3) ? line : line + 3);
    snprintf(text, size, "%s", line + 4);
    return true;
}

static void run_python(int socket)
{
    dup2(socket, STDIN_FILENO), dup2(socket, STDOUT_FILENO);
    execl(PYTHON, PYTHON, BENCH_DIR "/peers/pytorch.py", (char *)NULL);
    _exit(127);
}

static bool start(char *version, size_t size, Error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) ||
        (child = fork()) < 0)
        return error(err, "no process for %s", PYTHON);
    if (child == 0) run_python(ends[1]);
    close(ends[1]);
    to = fdopen(ends[0], "w"), from = fdopen(dup(ends[0]), "r");
    return to && from ? answer(version, size, err) : error(err, "out of memory");
}

static void stop(void)
{
    if (to) fclose(to);
    if (from) fclose(from);
    if (child > 0) waitpid(child, NULL, 0);
}

static bool write_floats(const float *at, size_t n)
{
    return fwrite(at, sizeof *at, n, to) == n;
}

static bool read_floats(float *at, size_t n)
{
    return fread(at, sizeof *at, n, from) == n;
}

static bool open_layer(const Layer *l, void **self, Error *err)
{
    char text[64], question[128];
    *self = NULL;
    open_now = *l;
    snprintf(question, sizeof question, "open %s%s %d %d %d %d\n", l->cell,
             l->in_python ? "_in_python" : "", l->shape.T, l->shape.B, l->shape.I,
             l->shape.H);
    if (!ask(question) || !answer(text, sizeof text, err)) return false;
    if (!write_floats(l->params, layer_params(l)) ||
        !write_floats(l->x, layer_inputs(l)) ||
        !write_floats(l->dy, layer_outputs(l)) || fflush(to))
        return error(err, "%s ended", PYTHON);
    return true;
}

static double seconds(void *self, double least)
{
    char text[64], question[32];
    (void)self;
    snprintf(question, sizeof question, "time %g\n", least);
    return ask(question) && answer(text, sizeof text, NULL) ? strtod(text, NULL) : 0;
}

static bool outcome(void *self, const Outcome *o)
{
    char text[64];
    (void)self;
    return ask("outcome\n") && answer(text, sizeof text, NULL) &&
           read_floats(o->y, layer_outputs(&open_now)) &&
           read_floats(o->dx, layer_inputs(&open_now)) &&
           read_floats(o->dparams, layer_params(&open_now));
}

static void close_layer(void *self)
{
    char text[64];
    (void)self;
    if (ask("close\n")) answer(text, sizeof text, NULL);
}

const Peer peer_pytorch = {"PyTorch", start,   stop,       open_layer,
                           seconds,   outcome, close_layer};
