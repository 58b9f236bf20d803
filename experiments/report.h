/* report.h: what `weft report` says of the rows, in lines. */
#pragma once

#include "page.h"

/* The tallies of the sections and of all. */
void report_judge(Page *page);

/* A line for each claim, value and chapter, and the two that sum them up. */
void report_print(const Page *page, FILE *out);
