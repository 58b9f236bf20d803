/* measure.h: the rates of this machine. */
#pragma once

#include "../rates.h"
#include "team.h"

/* All rates, with the instruction set in use, in some two seconds. What the machine does
 * not tell, and what takes more threads than the team has, is as in rates_typical. */
bool rates_measure(Team *team, Rates *rates, Error *err);
