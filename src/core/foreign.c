#include "core/foreign.h"

#include <stdbool.h>
#include <string.h>

#define INTO_HDF5 ", and h5py writes tokens and labels as docs/data.md shows"

static const struct {
    const char *mark, *words;
} kinds[] = {
    {"\x93NUMPY", " but an array of NumPy: numpy.load reads it" INTO_HDF5},
    {"PK\x03\x04", " but a ZIP archive, as .npz files are: numpy.load reads these" INTO_HDF5},
    {"\x1f\x8b", " but compressed by gzip: gunzip makes the file of it"},
    {"BZh", " but compressed by bzip2: bunzip2 makes the file of it"},
    {"\xfd"
     "7zXZ",
     " but compressed by xz: unxz makes the file of it"},
    {"\x28\xb5\x2f\xfd", " but compressed by Zstandard: unzstd makes the file of it"},
    {"PAR1", " but a Parquet file: pandas.read_parquet reads it" INTO_HDF5},
    {"CDF\x01", " but a NetCDF file of the older format: nccopy -k nc4 makes an HDF5 file of it"},
    {"CDF\x02", " but a NetCDF file of the older format: nccopy -k nc4 makes an HDF5 file of it"},
    {"\x80\x02", " but a pickle of Python: pickle.load or torch.load reads it" INTO_HDF5},
    {"\x80\x03", " but a pickle of Python: pickle.load or torch.load reads it" INTO_HDF5},
    {"\x80\x04", " but a pickle of Python: pickle.load or torch.load reads it" INTO_HDF5},
    {"\x80\x05", " but a pickle of Python: pickle.load or torch.load reads it" INTO_HDF5},
};

static bool is_text(const char *bytes, size_t nbytes) {
    for (size_t i = 0; i < nbytes; i++)
        if ((unsigned char)bytes[i] < ' ' && !strchr("\t\n\r\f", bytes[i]))
            return false;
    return nbytes > 0 && !memchr(bytes, '\0', nbytes);
}

const char *rhm_foreign_words(const char *bytes, size_t nbytes) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t length = strlen(kinds[i].mark);
        if (nbytes >= length && memcmp(bytes, kinds[i].mark, length) == 0)
            return kinds[i].words;
    }
    return is_text(bytes, nbytes) ? " but text: numpy.loadtxt reads tables of numbers" INTO_HDF5 : "";
}
