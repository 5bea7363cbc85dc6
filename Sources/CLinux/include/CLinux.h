#pragma once
#include "terminal_shims.h"
