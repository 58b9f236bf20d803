/* page.h: the HTML page: figures, verdicts and numbers in one file that needs no other. */
#pragma once

#include "figure.h"
#include "verdict.h"

/* A chapter: its experiments that have rows. */
typedef struct Section {
    const Result *result;
    int results;
    int waiting; /* experiments that were asked for and have no rows */
    Tally claims, values;
} Section;

typedef struct Page {
    Section section[CHAPTERS];
    Tally chapters, values;
    const Result *result; /* of all, by chapter */
    int results;
} Page;

/* The two lines that sum it up. */
#define HEADLINE_SIZE 160
void page_headline(const Page *page, char chapters[HEADLINE_SIZE],
                   char values[HEADLINE_SIZE]);

/* Draws the figures to the folder, and writes folder/index.html, whole or not at all. */
bool page_write(const Page *page, const char *folder, WeftError *err);
