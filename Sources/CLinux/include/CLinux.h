#pragma once
#include "socket_shims.h"
