/* Arrays, attributes and texts of any type, shape, layout and filter, chosen by a few bytes. */
#ifndef RHM_TESTS_FUZZ_MADE_ARRAY_H
#define RHM_TESTS_FUZZ_MADE_ARRAY_H

#include <hdf5.h>
#include <stdint.h>

enum { MADE_RANK = 4 };

/* A data set beside the files that are made, which virtual arrays may have as their source. */
#define MADE_SOURCE "source.h5"

/* Small numbers as they are, then those around the limits that readers know. */
hsize_t made_extent(uint8_t byte);

/* Number, text, enumeration, compound, ...; `size` matters to some. Negative: there is none. Close with H5Tclose. */
hid_t make_type(uint8_t kind, uint8_t size);

/* b: type, layout with filters, rank with what is written, three extents. */
void make_array(hid_t file, const char *object, const uint8_t b[6]);

/* b: type, number of values (0: a single one), value, kind of space. */
void make_attribute(hid_t object, const char *name, const uint8_t b[4]);

/* b: fixed or variable length, length. */
void make_text(hid_t file, const char *object, const uint8_t b[6]);

/* Write the number that `byte` stands for to the selected element. */
void write_number(hid_t set, H5T_class_t class, hid_t memory, hid_t space, uint8_t byte);

/* The filter that some arrays were written with is no longer available. */
void forget_filter(void);

#endif
