/*
 * How libhdf5 writes our files: through a driver that never tells it of a failure.
 *
 * libhdf5 does not survive a full disk: when its last flush fails, it keeps the half-closed file and crashes or loops
 * at the next call or at exit (seen with 1.10.8). This driver remembers the first error number and from then on
 * pretends to write, so that libhdf5 closes in peace while we report the failure and remove the file.
 */
#ifndef RHM_CORE_H5DRIVER_H
#define RHM_CORE_H5DRIVER_H

#include <hdf5.h>

/*
 * Make `access` (a file access property list) write an existing file this way. *failure, which must outlive the open
 * file, is 0 until an operation fails, then its errno. Negative when libhdf5 refuses.
 */
herr_t rhm_h5_use_driver(hid_t access, int *failure);

#endif
