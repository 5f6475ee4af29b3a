/* Files that are no HDF5 files, by how they begin. */
#ifndef RHM_CORE_FOREIGN_H
#define RHM_CORE_FOREIGN_H

#include <stddef.h>

/* For the end of a sentence: what a file seems to be whose first bytes these are, and how its contents come into an
 * HDF5 file; "" where nothing is known of it. Static. */
const char *rhm_foreign_words(const char *bytes, size_t nbytes);

#endif
