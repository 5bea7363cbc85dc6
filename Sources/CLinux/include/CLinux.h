#pragma once
#include "process_shims.h"
