/* process.c: see process.h. */
#include "process.h"

#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* With the pipe's end as its standard output; all else that is open closes by itself. */
static int spawn(const char *const *words, int out, pid_t *id)
{
    posix_spawn_file_actions_t actions;
    int wrong = posix_spawn_file_actions_init(&actions);
    if (wrong) return wrong;
    wrong = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!wrong) /* it changes no word, though C's types do not say so */
        wrong = posix_spawnp(id, words[0], &actions, NULL,
                             (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return wrong;
}

bool process_start(const char *const *words, Process *process, WeftError *err)
{
    int ends[2];
    pid_t id;
    if (pipe2(ends, O_CLOEXEC)) return fail(err, "%s: %s", words[0], strerror(errno));
    const int wrong = spawn(words, ends[1], &id);
    close(ends[1]);
    if (wrong) {
        close(ends[0]);
        return fail(err, "%s: %s", words[0], strerror(wrong));
    }
    *process = (Process){words[0], id, ends[0]};
    return true;
}

static bool bytes_grow(Bytes *bytes, size_t *room)
{
    *room = *room ? 2 * *room : 1 << 16;
    uint8_t *const at = realloc(bytes->at, *room);
    if (at) bytes->at = at;
    return at != NULL;
}

static bool bytes_read(const Process *process, size_t most, Bytes *bytes,
                       WeftError *err)
{
    for (size_t room = 0;;) {
        if (bytes->count == room && !bytes_grow(bytes, &room))
            return fail(err, "out of memory");
        const ssize_t got =
            read(process->out, bytes->at + bytes->count, room - bytes->count);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(err, "%s: %s", process->program, strerror(errno));
        if (!got) return true;
        bytes->count += (size_t)got;
        if (bytes->count > most)
            return fail(err, "%s: writes more than %zu bytes", process->program, most);
    }
}

static int await(const Process *process)
{
    int status = -1;
    while (waitpid(process->id, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

bool process_end(Process *process, size_t most, Bytes *bytes, WeftError *err)
{
    *bytes = (Bytes){0};
    bool good = bytes_read(process, most, bytes, err);
    close(process->out);
    const int status = await(process);
    if (good && WIFSIGNALED(status))
        good = fail(err, "%s: ended by signal %d", process->program, WTERMSIG(status));
    else if (good && (!WIFEXITED(status) || WEXITSTATUS(status)))
        good = fail(err, "%s: failed with exit status %d", process->program,
                    WEXITSTATUS(status));
    if (!good) {
        free(bytes->at);
        *bytes = (Bytes){0};
    }
    return good;
}

void process_stop(Process *process)
{
    close(process->out);
    kill(process->id, SIGTERM);
    await(process);
}
