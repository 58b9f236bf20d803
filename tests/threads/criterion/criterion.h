/* criterion.h: the part of Criterion that the tests under ThreadSanitizer use. Criterion
 * itself maps memory where ThreadSanitizer has its own. Each test runs in a process of its
 * own here too. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct TestCase TestCase;
struct TestCase {
    void (*run)(void);
    const char *name;
    TestCase *next;
    void (*init)(void), (*fini)(void); /* as the test says */
};

static TestCase *test_cases;
static bool test_failed; /* this test */

__attribute__((format(printf, 3, 4))) static inline bool
test_check(bool good, const char *what, const char *format, ...)
{
    va_list list;
    if (good) return true;
    va_start(list, format);
    fprintf(stderr, "  %s: ", what);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    test_failed = true;
    return false;
}

#define cr_expect(condition, ...)                                                      \
    (void)test_check((condition), #condition, "" __VA_ARGS__)
#define cr_assert(condition, ...)                                                      \
    (test_check((condition), #condition, "" __VA_ARGS__) ? (void)0 : exit(1))
#define cr_expect_eq(a, b, ...)     cr_expect((a) == (b), __VA_ARGS__)
#define cr_expect_neq(a, b, ...)    cr_expect((a) != (b), __VA_ARGS__)
#define cr_expect_lt(a, b, ...)     cr_expect((a) < (b), __VA_ARGS__)
#define cr_expect_leq(a, b, ...)    cr_expect((a) <= (b), __VA_ARGS__)
#define cr_expect_geq(a, b, ...)    cr_expect((a) >= (b), __VA_ARGS__)
#define cr_assert_eq(a, b, ...)     cr_assert((a) == (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...)    cr_assert((a) >= (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...)     cr_assert((a) < (b), __VA_ARGS__)
#define cr_expect_null(a, ...)      cr_expect(!(a), __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) cr_expect(strcmp(a, b) == 0, __VA_ARGS__)
#define cr_assert_not(a, ...)       cr_assert(!(a), __VA_ARGS__)
#define cr_expect_not(a, ...)       cr_expect(!(a), __VA_ARGS__)

#define Test(suite, test, ...)                                                         \
    static void suite##_##test(void);                                                  \
    __attribute__((constructor)) static void suite##_##test##_add(void)                \
    {                                                                                  \
        static TestCase this = {suite##_##test, #suite "::" #test, NULL, __VA_ARGS__}; \
        this.next = test_cases;                                                        \
        test_cases = &this;                                                            \
    }                                                                                  \
    static void suite##_##test(void)

int main(void)
{
    int bad = 0;
    for (const TestCase *c = test_cases; c; c = c->next) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0) {
            if (c->init) c->init();
            c->run();
            if (c->fini) c->fini();
            exit(test_failed);
        }
        const bool passed = waitpid(child, &status, 0) == child && status == 0;
        fprintf(stderr, "%s  %s\n", passed ? "passed" : "FAILED", c->name);
        bad += !passed;
    }
    return bad > 0;
}
