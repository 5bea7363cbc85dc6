#pragma once
#include "process_shims.h"
#include "socket_shims.h"
#include "terminal_shims.h"
