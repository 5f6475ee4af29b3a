#include "made_array.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

enum {
    WRITTEN = 4096, /* arrays of more elements stay unwritten: they read as zeros */
    FOREIGN_FILTER = 32000,
    PLAIN_EXTENTS = 200,
};

hsize_t made_extent(uint8_t byte) {
    static const hsize_t special[] = {
        0,
        255,
        256,
        257,
        65535,
        65536,
        65537,
        1 << 20,
        INT32_MAX,
        UINT32_MAX,
        (hsize_t)UINT32_MAX + 1,
        (hsize_t)1 << 53,
        INT64_MAX,
        (hsize_t)1 << 63,
    };
    return byte < PLAIN_EXTENTS ? byte : special[(byte - PLAIN_EXTENTS) % (sizeof special / sizeof *special)];
}

static const int64_t special_integers[] = {
    -1,    -2,    INT8_MIN,  INT16_MIN,           INT32_MIN,        INT64_MIN,        255,       256,
    65535, 65536, INT32_MAX, (int64_t)UINT32_MAX, (int64_t)1 << 32, (int64_t)1 << 53, INT64_MAX,
};
static const double special_reals[] = {
    -0.0,
    -1,
    (double)NAN,
    (double)INFINITY,
    -(double)INFINITY,
    DBL_MIN,
    0x1p-1074,
    DBL_MAX,
    (double)FLT_MAX,
    1e-300,
    0x1p32,
    0x1p53,
    0x1p64,
    0.5,
    1e-9,
};

static int64_t integer(uint8_t byte) {
    return byte < PLAIN_EXTENTS
               ? byte
               : special_integers[(byte - PLAIN_EXTENTS) % (sizeof special_integers / sizeof *special_integers)];
}

static double real(uint8_t byte) {
    return byte < PLAIN_EXTENTS
               ? byte / 16.0
               : special_reals[(byte - PLAIN_EXTENTS) % (sizeof special_reals / sizeof *special_reals)];
}

void write_number(hid_t set, H5T_class_t class, hid_t memory, hid_t space, uint8_t byte) {
    const int64_t whole = integer(byte);
    const double number = real(byte);
    if (class == H5T_INTEGER)
        H5Dwrite(set, H5T_NATIVE_INT64, memory, space, H5P_DEFAULT, &whole);
    else
        H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, &number);
}

/* ---- types ----------------------------------------------------------------------------------------------- */

static hid_t text_type(uint8_t size) {
    static const size_t sizes[] = {1, 2, 7, 15, 16, 64, 65, 160, 255, 256, 4096, (size_t)1 << 29};
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, sizes[size % (sizeof sizes / sizeof *sizes)]);
    H5Tset_strpad(type, size & 1 ? H5T_STR_NULLTERM : size & 2 ? H5T_STR_NULLPAD : H5T_STR_SPACEPAD);
    return type;
}

static hid_t odd_integer(uint8_t size) {
    const hid_t type = H5Tcopy(size & 1 ? H5T_STD_I64LE : H5T_STD_U32BE);
    H5Tset_precision(type, 1 + size % 32);
    H5Tset_offset(type, size % 3);
    return type;
}

static hid_t enumeration(void) {
    const hid_t type = H5Tenum_create(H5T_STD_I8LE);
    int8_t value = 0;
    H5Tenum_insert(type, "FALSE", &value);
    value = 1;
    H5Tenum_insert(type, "TRUE", &value);
    return type;
}

static hid_t compound(void) {
    const hid_t type = H5Tcreate(H5T_COMPOUND, 16);
    H5Tinsert(type, "a", 0, H5T_STD_I32LE);
    H5Tinsert(type, "b", 8, H5T_IEEE_F64LE);
    return type;
}

hid_t make_type(uint8_t kind, uint8_t size) {
    const hid_t numbers[] = {
        H5T_STD_U8LE,  H5T_STD_I8LE,  H5T_STD_U16LE,  H5T_STD_I16BE,  H5T_STD_U32LE,  H5T_STD_I32LE,      H5T_STD_U64LE,
        H5T_STD_I64BE, H5T_STD_U64BE, H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_NATIVE_LDOUBLE,
    };
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    const hsize_t two = 2;
    kind %= NUMBERS + 11;
    if (kind < NUMBERS)
        return H5Tcopy(numbers[kind]);
    hid_t type;
    switch (kind - NUMBERS) {
    case 0: return text_type(size);
    case 1:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, H5T_VARIABLE);
        return type;
    case 2: return odd_integer(size);
    case 3: return enumeration();
    case 4: return compound();
    case 5: return H5Tarray_create2(H5T_STD_I32LE, 1, &two);
    case 6: return H5Tcreate(H5T_OPAQUE, 1 + size % 32);
    case 7: return H5Tvlen_create(H5T_STD_I32LE);
    case 8: return H5Tcopy(H5T_STD_REF_OBJ);
    case 9: return H5Tcopy(H5T_STD_B16LE);
    default:
        type = H5Tcopy(H5T_STD_I32LE);
        H5Tset_size(type, 16); /* wider than any integer of C */
        return type;
    }
}

/* ---- arrays ---------------------------------------------------------------------------------------------- */

static size_t pass_through(unsigned flags, size_t parameters, const unsigned values[], size_t nbytes, size_t *room,
                           void **buffer) {
    (void)flags, (void)parameters, (void)values, (void)room, (void)buffer;
    return nbytes;
}

static bool registered;

static void set_foreign_filter(hid_t options) {
    static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, FOREIGN_FILTER, 1, 1, "lzf", NULL, NULL, pass_through};
    registered = H5Zregister(&filter) >= 0;
    H5Pset_filter(options, FOREIGN_FILTER, H5Z_FLAG_MANDATORY, 0, NULL);
}

void forget_filter(void) {
    if (registered)
        H5Zunregister(FOREIGN_FILTER);
    registered = false;
}

/* Never of this file: libhdf5 follows an array that is its own source until the stack ends. */
static void set_virtual(hid_t options, int rank, const hsize_t *extent, uint8_t layout) {
    static const char *const sources[] = {"absent.h5", MADE_SOURCE, "source-%b.h5"};
    const hid_t space = rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR);
    if (space < 0)
        return;
    H5Pset_virtual(options, space, sources[layout / 16 % 3], layout & 128 ? "/data/labels" : "/data/tokens", space);
    H5Sclose(space);
}

static void set_layout(hid_t options, int rank, const hsize_t *extent, uint8_t layout) {
    hsize_t chunk[MADE_RANK];
    for (int i = 0; i < rank; i++)
        chunk[i] = extent[i] == 0 ? 1 : extent[i] < 7 ? extent[i] : 7;
    if (layout % 11 >= 3 && layout % 11 <= 9)
        H5Pset_chunk(options, rank, chunk);
    switch (layout % 11) {
    case 1: H5Pset_layout(options, H5D_COMPACT); return;
    case 2: H5Pset_external(options, "absent.raw", 0, H5F_UNLIMITED); return;
    case 4: H5Pset_deflate(options, 1); return;
    case 5: H5Pset_shuffle(options), H5Pset_fletcher32(options); return;
    case 6: H5Pset_scaleoffset(options, H5Z_SO_INT, 0); return;
    case 7: H5Pset_nbit(options); return;
    case 8: set_foreign_filter(options); return;
    case 9: H5Pset_filter(options, FOREIGN_FILTER, H5Z_FLAG_OPTIONAL, 0, NULL); return;
    case 10: set_virtual(options, rank, extent, layout); return;
    default: return;
    }
}

static bool few(int rank, const hsize_t *extent, size_t *count) {
    *count = 1;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(*count, extent[i], count))
            return false;
    return *count <= WRITTEN;
}

/* Values 0, 1, ... below a modulus, whichever the type makes of them. */
static void fill(hid_t set, hid_t type, size_t count, uint8_t pattern) {
    static int64_t whole[WRITTEN];
    static double numbers[WRITTEN];
    const H5T_class_t class = H5Tget_class(type);
    if (class != H5T_INTEGER && class != H5T_FLOAT)
        return;
    for (size_t i = 0; i < count; i++) {
        whole[i] = pattern ? (int64_t)(i % pattern) : 0;
        numbers[i] = (double)whole[i] / (pattern ? pattern : 1);
    }
    if (class == H5T_INTEGER)
        H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole);
    else
        H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers);
}

void make_array(hid_t file, const char *object, const uint8_t b[6]) {
    const int rank = b[2] % (MADE_RANK + 1);
    hsize_t extent[MADE_RANK] = {made_extent(b[3]), made_extent(b[4]), made_extent(b[5]), 2}, most[MADE_RANK];
    const hid_t type = make_type(b[0], b[5]);
    const bool grows = b[1] % 11 >= 3 && b[1] % 11 <= 9 && b[1] & 128;
    for (int i = 0; i < rank; i++)
        most[i] = grows ? H5S_UNLIMITED : extent[i];
    const hid_t space = b[2] == 255 ? H5Screate(H5S_NULL)
                        : rank      ? H5Screate_simple(rank, extent, most)
                                    : H5Screate(H5S_SCALAR);
    const hid_t options = H5Pcreate(H5P_DATASET_CREATE), links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    set_layout(options, rank, extent, b[1]);
    hid_t set = -1;
    if (type >= 0 && space >= 0)
        set = H5Dcreate2(file, object, type, space, links, options, H5P_DEFAULT);
    size_t count;
    if (set >= 0 && few(rank, extent, &count))
        fill(set, type, count, b[2] / (MADE_RANK + 1));
    if (set >= 0)
        H5Dclose(set);
    H5Pclose(links);
    H5Pclose(options);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
}

/* ---- attributes and texts -------------------------------------------------------------------------------- */

enum { MOST_VALUES = 255, LONGEST = 1 << 16 };

static const char *words(uint8_t byte) {
    static const char *const known[] = {
        "",     "uniform", "first-token-uniform", "given",        "rhm-grammar/1", "random-features", "samples",
        "auto", "native",  "{\"test\": [}",       "caf\xc3\xa9\n"};
    return known[byte % (sizeof known / sizeof *known)];
}

static void write_attribute(hid_t attribute, hid_t type, uint8_t value) {
    static int64_t whole[MOST_VALUES];
    static double numbers[MOST_VALUES];
    static const char *texts[MOST_VALUES];
    for (size_t i = 0; i < MOST_VALUES; i++) {
        whole[i] = integer(value);
        numbers[i] = real(value);
        texts[i] = words(value);
    }
    const H5T_class_t class = H5Tget_class(type);
    if (class == H5T_INTEGER)
        H5Awrite(attribute, H5T_NATIVE_INT64, whole);
    else if (class == H5T_FLOAT)
        H5Awrite(attribute, H5T_NATIVE_DOUBLE, numbers);
    else if (class == H5T_STRING && H5Tis_variable_str(type) > 0)
        H5Awrite(attribute, type, texts);
}

void make_attribute(hid_t object, const char *name, const uint8_t b[4]) {
    const hid_t type = make_type(b[0], b[2]);
    const hsize_t extent[2] = {b[1], 1};
    const hid_t space = b[3] == 255 ? H5Screate(H5S_NULL)
                        : b[1]      ? H5Screate_simple(1 + (b[3] & 1), extent, NULL)
                                    : H5Screate(H5S_SCALAR);
    if (type >= 0 && space >= 0) {
        const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute >= 0) {
            write_attribute(attribute, type, b[2]);
            H5Aclose(attribute);
        }
    }
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
}

void make_text(hid_t file, const char *object, const uint8_t b[6]) {
    static char text[LONGEST + 1];
    const size_t length = (b[1] + 256u * b[2]) % LONGEST;
    memset(text, 'a' + b[3] % 26, length);
    memcpy(text, words(b[4]), strlen(words(b[4])) < length ? strlen(words(b[4])) : length);
    text[length] = '\0';
    const char *pointer = text;
    H5Ldelete(file, object, H5P_DEFAULT);
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, b[0] & 1 ? H5T_VARIABLE : length + 1);
    if (b[0] & 2)
        H5Tset_strpad(type, H5T_STR_NULLPAD);
    const hid_t set = H5Dcreate2(file, object, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (set >= 0) {
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, b[0] & 1 ? (const void *)&pointer : text);
        H5Dclose(set);
    }
    H5Sclose(space);
    H5Tclose(type);
}
