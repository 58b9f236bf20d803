/* nearest.c: which name was meant: the smallest number of slips between two names. */
#include "nearest.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 63

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int differ(char a, char b)
{
    if (a == b) return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? 1 : 2;
}

/* Twice the number of letters left out, put in, changed or swapped with the next
 * (optimal string alignment); a letter in the wrong case counts half. */
static int distance(const char *a, const char *b)
{
    const int m = (int)strlen(a), n = (int)strlen(b);
    int d[3][LONGEST + 1]; /* the rows of a's letters i, i-1, i-2, in turn */
    for (int j = 0; j <= n; j++) d[0][j] = 2 * j;
    for (int i = 1; i <= m; i++) {
        int *const row = d[i % 3];
        const int *const above = d[(i + 2) % 3], *const above2 = d[(i + 1) % 3];
        row[0] = 2 * i;
        for (int j = 1; j <= n; j++) {
            const int change = above[j - 1] + differ(a[i - 1], b[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 2);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 2);
        }
    }
    return d[m % 3][n];
}

const char *weft_nearest(const char *name, const char *const *names)
{
    const size_t length = strlen(name);
    if (length > LONGEST) return NULL;
    const char *nearest = NULL;
    int best = least(2 * (((int)length + 2) / 3), 2 * (int)length - 1) + 1;
    for (; *names; names++) {
        if (strlen(*names) > LONGEST) continue;
        const int d = distance(name, *names);
        if (d >= best) continue;
        best = d;
        nearest = *names;
    }
    return nearest;
}

const char *nearest_hint(const char *name, const char *const *names, char text[96])
{
    const char *const nearest = weft_nearest(name, names);
    text[0] = 0;
    if (nearest) snprintf(text, 96, " (did you mean '%s'?)", nearest);
    return text;
}
