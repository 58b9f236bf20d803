/* weft.c: the command. It finds the verb, and is the one place that prints errors. */
#include "verbs.h"

#include <signal.h>
#include <string.h>

#define ITEM(name) &name##_verb,
static const Verb *const verbs[] = {VERB_LIST(ITEM) NULL};
#undef ITEM

#define ITEM(name) #name,
static const char *const names[] = {VERB_LIST(ITEM) NULL};
#undef ITEM

static void usage(void)
{
    printf("Usage: weft VERB ...\nTrains recurrent networks that are given as "
           "equations.\n\n");
    for (int i = 0; verbs[i]; i++)
        printf("  %-8s %-22s %.*s\n", verbs[i]->name, verbs[i]->words,
               (int)strcspn(verbs[i]->help, "\n"), verbs[i]->help);
    printf(
        "\n`weft VERB --help` lists a verb's options. WEFT_ISA=scalar|avx2|avx512|neon "
        "forces an\ninstruction set. Exit status: 0 done, 1 failed, 2 a bad call, 130 "
        "interrupted.\n");
}

static const Verb *find(const char *name)
{
    for (int i = 0; verbs[i]; i++)
        if (!strcmp(verbs[i]->name, name)) return verbs[i];
    return NULL;
}

static Status bad_verb(const char *name)
{
    const char *near = weft_nearest(name, names);
    fprintf(stderr, "weft: no verb \"%s\"", name);
    if (near) fprintf(stderr, ": did you mean %s?", near);
    fprintf(stderr, " (weft --help lists them)\n");
    return BAD_CALL;
}

static Status verb_run(const Verb *verb, int argc, char **argv)
{
    WeftError err = {{0}};
    const Status status = verb->run(verb, argc, argv, &err);
    if (status == FAILED || status == BAD_CALL)
        fprintf(stderr, "weft %s: %s\n", verb->name, err.text);
    if (status == BAD_CALL)
        fprintf(stderr, "weft %s --help lists the options\n", verb->name);
    return status;
}

/* A full disk behind standard output is a failure too. */
static Status flushed(Status status)
{
    if (!fflush(stdout) && !ferror(stdout)) return status;
    fprintf(stderr, "weft: standard output could not be written\n");
    return status == DONE ? FAILED : status;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a pipe that closes is a failed write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that grows past its limit */
    if (argc < 2) {
        fprintf(stderr, "weft: expected a verb (weft --help lists them)\n");
        return BAD_CALL;
    }
    if (!strcmp(argv[1], "--version"))
        printf("weft %s\n", weft_version());
    else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
        usage();
    else {
        const Verb *verb = find(argv[1]);
        if (!verb) return (int)bad_verb(argv[1]);
        return (int)flushed(verb_run(verb, argc - 1, argv + 1));
    }
    return (int)flushed(DONE);
}
