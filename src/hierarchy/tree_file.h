/* The branching of a tree as an attribute of a group: one number where it is the same at all levels, else a list. */
#ifndef RHM_HIERARCHY_TREE_FILE_H
#define RHM_HIERARCHY_TREE_FILE_H

#include "core/h5file.h"
#include "rhm/grammar.h"

/* What is said of the branching: nothing (count 0), one s for all levels (count 1), or s_1..s_count. */
typedef struct rhm_branching {
    uint32_t count;
    uint32_t of[RHM_MAX_LEVELS];
} rhm_branching;

rhm_status rhm_tree_write_branching(rhm_h5 *file, const char *group, const rhm_tree *tree, rhm_error *error);

/* The attribute `branching` of a group, which must be there. */
rhm_status rhm_tree_read_branching(rhm_branching *out, const rhm_h5 *file, const char *group, rhm_error *error);

/* The tree of `levels` levels that the attribute says. */
rhm_status rhm_tree_read(rhm_tree *out, const rhm_h5 *file, const char *group, uint32_t levels, rhm_error *error);

/* What a tree says; and what is said, with `levels` levels, as a tree. */
rhm_branching rhm_branching_of(const rhm_tree *tree);
rhm_status rhm_branching_tree(rhm_tree *out, const rhm_branching *branching, uint32_t levels, rhm_error *error);

/* Whether both may be true. */
bool rhm_branching_agree(const rhm_branching *a, const rhm_branching *b);

enum { RHM_BRANCHING_TEXT_NBYTES = 3 * RHM_MAX_LEVELS };

/* "2" or "2,3,2"; returns `text`. */
const char *rhm_branching_text(char text[RHM_BRANCHING_TEXT_NBYTES], const rhm_branching *branching);

#endif
