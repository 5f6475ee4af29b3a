/*
 * What a stage has done so far, so that it can be done again without computing. A policy acts through rhm_stage_draw
 * and rhm_stage_fit alone and decides from what they return; run anew on a journal it takes the same decisions up to
 * the point where the journal ends, and computing goes on there.
 *
 * During the replay the sample sets show as many samples and patches as they had at that time; counts and embeddings
 * are not there yet, and outputs of fits that the policy had let go of are NAN.
 */
#ifndef RHM_LEARNER_JOURNAL_H
#define RHM_LEARNER_JOURNAL_H

#include "core/fields.h"
#include "learner/stage.h"

/* How far a sample set reached. */
typedef struct rhm_extent {
    uint64_t samples;
    uint64_t members[RHM_MAX_LEVELS + 1]; /* by level; cells at level - 1 */
} rhm_extent;

typedef struct rhm_entry {
    bool is_fit;                     /* else a draw */
    double clock;                    /* stage->clock afterwards */
    uint64_t samples, held_out;      /* that a draw was asked for; that a fit had */
    rhm_extent training, validation; /* after a draw */

    rhm_fit fit;          /* what came out; its arrays are NULL */
    const float *weights; /* the fit's, while somebody holds it */
    float *kept;          /* owned: read from a file and not yet handed out */
    bool held;            /* either of them was there when the entry was written */
    int owners;           /* the journal and the fit */
} rhm_entry;

typedef struct rhm_journal {
    rhm_entry **entry; /* (capacity), owned */
    size_t count, capacity;
    size_t next; /* the entry to be replayed next */
    bool replaying;
    rhm_extent training, validation; /* of the sets behind what the replay shows */
} rhm_journal;

extern const rhm_fields rhm_entry_fields;

/* An entry at the end, for the caller to fill; NULL without memory. */
rhm_entry *rhm_journal_append(rhm_journal *journal, rhm_error *error);
void rhm_journal_clear(rhm_journal *journal); /* accepts a zeroed one */

/* Done by the stage just now. A fit is followed until rhm_fit_clear. */
rhm_status rhm_journal_drew(rhm_journal *journal, const rhm_stage *stage, uint64_t samples, uint64_t held_out,
                            rhm_error *error);
rhm_status rhm_journal_fitted(rhm_journal *journal, const rhm_stage *stage, rhm_fit *fit, rhm_error *error);

/* From the first entry on; the sets of `stage` were read with the journal. */
void rhm_journal_rewind(rhm_journal *journal, rhm_stage *stage);

/*
 * *done: the next entry answers. Otherwise the journal is at its end and the sets are whole; from now on they may be
 * added to. RHM_INVALID where the entry is not what is asked for: another build's policy wrote it.
 */
rhm_status rhm_journal_draw(rhm_journal *journal, rhm_stage *stage, uint64_t samples, uint64_t held_out, bool *done,
                            rhm_error *error);

/* `fit` has the shape, bandwidth and ridge of its layer, and no arrays yet. */
rhm_status rhm_journal_fit(rhm_journal *journal, rhm_stage *stage, rhm_fit *fit, bool *done, rhm_error *error);

/* End of the replay, whatever comes next. */
rhm_status rhm_journal_wake(rhm_journal *journal, rhm_stage *stage, rhm_error *error);

/* The fit of an entry is gone. */
void rhm_entry_release(rhm_entry *entry);

#endif
