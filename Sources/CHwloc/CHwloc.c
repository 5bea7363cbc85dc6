#include "CHwloc.h"
