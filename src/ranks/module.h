/* Which MPI started this process, and its module. */
#ifndef RHM_RANKS_MODULE_H
#define RHM_RANKS_MODULE_H

#include "ranks/transport.h"
#include "rhm/ranks.h"

/* "openmpi" or "mpich", by the environment; NULL where this process was started alone or RHM_MPI is "off". RHM_INVALID
 * for other values of that: *name is then what it would be without. */
rhm_status rhm_module_choose(const char **name, rhm_error *error);

/* Load the module and let its library start. It stays loaded. */
rhm_status rhm_module_open(rhm_transport *out, const char *name, rhm_error *error);

#endif
