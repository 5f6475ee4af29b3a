/*
 * Belief propagation for one precision, written once for every register width. The including file has defined
 *     REAL, WORD         the number, and the unsigned integer of its size
 *     BIAS, MANTISSA     of its exponent, bits below it
 *     WEIGHT             the member of rhm_bp_rules that holds its weights
 *     NAME(x)            makes names of this precision
 *     VECTOR_NBYTES      of a register
 */

typedef REAL NAME(vec) __attribute__((vector_size(VECTOR_NBYTES), may_alias));
typedef WORD NAME(word) __attribute__((vector_size(VECTOR_NBYTES), may_alias));

#define VEC       NAME(vec)
#define UNITS     (RHM_BP_LANES * sizeof(REAL) / VECTOR_NBYTES)
#define EACH_UNIT _Pragma("GCC unroll 8") for (size_t k = 0; k < UNITS; k++)

typedef struct NAME(walk) {
    const rhm_bp *bp;
    const rhm_bp_group *group;
    bool leaves, whole;           /* leaf messages are kept; all messages are kept, not those of one node's children */
    REAL *up[RHM_MAX_LEVELS + 1]; /* messages of level l */
    REAL *down[RHM_MAX_LEVELS + 1];
    int64_t exponent[RHM_BP_LANES]; /* of two, taken out of the messages */
    WORD lowest[RHM_BP_LANES];      /* exponent that was met, with its bias */
} NAME(walk);

static REAL *NAME(at)(REAL *const *messages, const NAME(walk) * w, uint32_t level, size_t node) {
    const size_t place = w->whole || level == 0 ? node : node % w->bp->tree.branching[level];
    return messages[level] + place * w->bp->vocab[level] * RHM_BP_LANES;
}

/* Divide `count` messages' entries by the power of two that the largest of each lane has. */
static void NAME(scale)(NAME(walk) * w, REAL *message, size_t symbols, bool counts) {
    union {
        REAL real[RHM_BP_LANES];
        WORD word[RHM_BP_LANES];
    } most = {.real = {0}};
    for (size_t a = 0; a < symbols; a++)
        for (size_t i = 0; i < RHM_BP_LANES; i++)
            most.real[i] = most.real[i] > message[a * RHM_BP_LANES + i] ? most.real[i] : message[a * RHM_BP_LANES + i];
    for (size_t i = 0; i < RHM_BP_LANES; i++) {
        const WORD exponent = most.word[i] >> MANTISSA;
        most.word[i] = (2 * (WORD)BIAS - exponent) << MANTISSA;
        w->lowest[i] = exponent < w->lowest[i] ? exponent : w->lowest[i];
        w->exponent[i] += counts ? (int64_t)exponent - BIAS : 0;
    }
    for (size_t a = 0; a < symbols; a++)
        for (size_t i = 0; i < RHM_BP_LANES; i++)
            message[a * RHM_BP_LANES + i] *= most.real[i];
}

/* ---- upward ---------------------------------------------------------------------------------------------------------
 */

/* out (parents, LANES) from child (s, symbols, LANES). */
static inline __attribute__((always_inline)) void NAME(up_rows)(const rhm_bp_rules *rules, size_t s, bool weighted,
                                                                const REAL *child, REAL *out) {
    const size_t stride = rules->symbols * RHM_BP_LANES;
    for (size_t parent = 0; parent < rules->parents; parent++) {
        VEC sum[UNITS] = {{0}};
        for (size_t row = rules->first[parent]; row < rules->first[parent + 1]; row++) {
            const uint32_t *patch = rules->patch + row * s;
            VEC product[UNITS];
            const VEC *factor = (const VEC *)(const void *)(child + patch[0] * (size_t)RHM_BP_LANES);
            EACH_UNIT product[k] = factor[k];
            for (size_t t = 1; t < s; t++) {
                factor = (const VEC *)(const void *)(child + t * stride + patch[t] * (size_t)RHM_BP_LANES);
                EACH_UNIT product[k] *= factor[k];
            }
            if (weighted)
                EACH_UNIT product[k] *= rules->WEIGHT[row];
            EACH_UNIT sum[k] += product[k];
        }
        VEC *to = (VEC *)(void *)(out + parent * RHM_BP_LANES);
        EACH_UNIT to[k] = sum[k];
    }
}

static void NAME(up)(const rhm_bp_rules *rules, const REAL *child, REAL *out) {
    if (rules->branching == 2 && !rules->WEIGHT)
        NAME(up_rows)(rules, 2, false, child, out);
    else if (rules->branching == 2)
        NAME(up_rows)(rules, 2, true, child, out);
    else if (rules->WEIGHT)
        NAME(up_rows)(rules, rules->branching, true, child, out);
    else
        NAME(up_rows)(rules, rules->branching, false, child, out);
}

/* `hit` where a lane's token is the rule's, else `miss`. */
static inline __attribute__((always_inline)) VEC NAME(factor)(VEC seen, REAL symbol, REAL hit, REAL miss) {
    const NAME(word) same = (NAME(word))(seen == symbol + (VEC){0});
    return (VEC)(((NAME(word))(hit + (VEC){0}) & same) | ((NAME(word))(miss + (VEC){0}) & ~same));
}

/* The lowest level from tokens (s, LANES), as numbers. */
static inline __attribute__((always_inline)) void NAME(bottom_rows)(const rhm_bp_rules *rules, size_t s, bool weighted,
                                                                    const REAL *token, REAL hit, REAL miss, REAL *out) {
    for (size_t parent = 0; parent < rules->parents; parent++) {
        VEC sum[UNITS] = {{0}};
        for (size_t row = rules->first[parent]; row < rules->first[parent + 1]; row++) {
            const uint32_t *patch = rules->patch + row * s;
            const VEC *seen = (const VEC *)(const void *)token;
            VEC product[UNITS];
            EACH_UNIT product[k] = NAME(factor)(seen[k], (REAL)patch[0], hit, miss);
            for (size_t t = 1; t < s; t++)
                EACH_UNIT product[k] *= NAME(factor)(seen[t * UNITS + k], (REAL)patch[t], hit, miss);
            if (weighted)
                EACH_UNIT product[k] *= rules->WEIGHT[row];
            EACH_UNIT sum[k] += product[k];
        }
        VEC *to = (VEC *)(void *)(out + parent * RHM_BP_LANES);
        EACH_UNIT to[k] = sum[k];
    }
}

static void NAME(bottom)(const rhm_bp_rules *rules, const REAL *token, REAL hit, REAL miss, REAL *out) {
    if (rules->branching == 2 && !rules->WEIGHT)
        NAME(bottom_rows)(rules, 2, false, token, hit, miss, out);
    else if (rules->branching == 2)
        NAME(bottom_rows)(rules, 2, true, token, hit, miss, out);
    else if (rules->WEIGHT)
        NAME(bottom_rows)(rules, rules->branching, true, token, hit, miss, out);
    else
        NAME(bottom_rows)(rules, rules->branching, false, token, hit, miss, out);
}

/* Lanes beyond the last sequence repeat the first one. */
static size_t NAME(row_of)(const NAME(walk) * w, size_t lane) {
    return (lane < w->group->count ? lane : 0) * w->bp->tree.leaves[0];
}

static void NAME(leaf)(NAME(walk) * w, size_t node) {
    const size_t symbols = w->bp->vocab[w->bp->tree.levels];
    REAL *message = NAME(at)(w->up, w, w->bp->tree.levels, node);
    for (size_t a = 0; a < symbols * RHM_BP_LANES; a++)
        message[a] = (REAL)w->bp->miss;
    for (size_t i = 0; i < RHM_BP_LANES; i++) {
        const size_t place = NAME(row_of)(w, i) + node;
        if (w->group->masked && w->group->masked[place])
            for (size_t a = 0; a < symbols; a++)
                message[a * RHM_BP_LANES + i] = 1;
        else
            message[w->group->tokens[place] * (size_t)RHM_BP_LANES + i] = (REAL)w->bp->hit;
    }
}

static void NAME(climb)(NAME(walk) * w, uint32_t level, size_t node) {
    const rhm_bp *bp = w->bp;
    if (level == bp->tree.levels) {
        NAME(leaf)(w, node);
        return;
    }
    const rhm_bp_rules *rules = &bp->rules[level + 1];
    const size_t s = rules->branching;
    REAL *out = NAME(at)(w->up, w, level, node);
    if (level + 1 == bp->tree.levels && !w->leaves) {
        _Alignas(64) REAL token[RHM_MAX_BRANCHING * RHM_BP_LANES];
        for (size_t i = 0; i < RHM_BP_LANES; i++)
            for (size_t t = 0; t < s; t++)
                token[t * RHM_BP_LANES + i] = (REAL)w->group->tokens[NAME(row_of)(w, i) + node * s + t];
        NAME(bottom)(rules, token, (REAL)bp->hit, (REAL)bp->miss, out);
    } else {
        for (size_t t = 0; t < s; t++)
            NAME(climb)(w, level + 1, node * s + t);
        NAME(up)(rules, NAME(at)(w->up, w, level + 1, node * s), out);
    }
    NAME(scale)(w, out, rules->parents, true);
}

/* ---- downward -------------------------------------------------------------------------------------------------------
 */

/* Messages to the children of a node: of each, the sum over rules of what the parent and the other children say. */
static void NAME(down)(const rhm_bp_rules *rules, const REAL *parent, const REAL *child, REAL *to) {
    const size_t s = rules->branching, stride = rules->symbols * RHM_BP_LANES;
    REAL before[RHM_MAX_BRANCHING + 1][RHM_BP_LANES]; /* weight and the children before t */
    for (size_t i = 0; i < s * stride; i++)
        to[i] = 0;
    for (size_t p = 0; p < rules->parents; p++)
        for (size_t row = rules->first[p]; row < rules->first[p + 1]; row++) {
            const uint32_t *patch = rules->patch + row * s;
            const REAL weight = rules->WEIGHT ? rules->WEIGHT[row] : 1;
            for (size_t i = 0; i < RHM_BP_LANES; i++)
                before[0][i] = parent[p * RHM_BP_LANES + i] * weight;
            for (size_t t = 0; t < s; t++)
                for (size_t i = 0; i < RHM_BP_LANES; i++)
                    before[t + 1][i] = before[t][i] * child[t * stride + patch[t] * (size_t)RHM_BP_LANES + i];
            REAL after[RHM_BP_LANES];
            for (size_t i = 0; i < RHM_BP_LANES; i++)
                after[i] = 1;
            for (size_t t = s; t-- > 0;)
                for (size_t i = 0; i < RHM_BP_LANES; i++) {
                    const size_t place = t * stride + patch[t] * (size_t)RHM_BP_LANES + i;
                    to[place] += before[t][i] * after[i];
                    after[i] *= child[place];
                }
        }
}

static void NAME(descend)(NAME(walk) * w) {
    const rhm_bp *bp = w->bp;
    for (size_t z = 0; z < bp->classes; z++)
        for (size_t i = 0; i < RHM_BP_LANES; i++)
            w->down[0][z * RHM_BP_LANES + i] = (REAL)bp->label[z];
    for (uint32_t level = 0; level < bp->tree.levels; level++) {
        const rhm_bp_rules *rules = &bp->rules[level + 1];
        for (size_t node = 0; node < bp->tree.nodes[level]; node++) {
            REAL *to = NAME(at)(w->down, w, level + 1, node * rules->branching);
            NAME(down)
            (rules, NAME(at)(w->down, w, level, node), NAME(at)(w->up, w, level + 1, node * rules->branching), to);
            for (size_t t = 0; t < rules->branching; t++)
                NAME(scale)(w, to + t * rules->symbols * RHM_BP_LANES, rules->symbols, false);
        }
    }
}

/* ---- results --------------------------------------------------------------------------------------------------------
 */

static void NAME(marginals)(const NAME(walk) * w, uint32_t level, double *out) {
    const size_t symbols = w->bp->vocab[level], nodes = w->bp->tree.nodes[level];
    for (size_t node = 0; node < nodes; node++) {
        const REAL *up = NAME(at)(w->up, w, level, node), *down = NAME(at)(w->down, w, level, node);
        for (size_t i = 0; i < w->group->count; i++) {
            double *p = out + (i * nodes + node) * symbols, sum = 0;
            for (size_t a = 0; a < symbols; a++) {
                p[a] = (double)up[a * RHM_BP_LANES + i] * (double)down[a * RHM_BP_LANES + i];
                sum += p[a];
            }
            for (size_t a = 0; a < symbols; a++)
                p[a] /= sum;
        }
    }
}

static void NAME(labels)(const NAME(walk) * w) {
    const rhm_bp *bp = w->bp;
    const size_t classes = bp->classes;
    double log_weight = 0; /* of the constant factors that equally probable rules have left out */
    for (uint32_t level = 1; level <= bp->tree.levels; level++)
        log_weight += (double)bp->tree.nodes[level - 1] * bp->rules[level].log_weight;
    for (size_t i = 0; i < w->group->count; i++) {
        double *p = w->group->posterior + i * classes, sum = 0;
        for (size_t z = 0; z < classes; z++) {
            p[z] = bp->label[z] * (double)w->up[0][z * RHM_BP_LANES + i];
            sum += p[z];
        }
        for (size_t z = 0; z < classes; z++)
            p[z] = (1 - bp->label_noise) * (p[z] / sum) + bp->label_noise / (double)classes;
        if (w->group->log_likelihood)
            w->group->log_likelihood[i] = log(sum) + (double)w->exponent[i] * 0x1.62e42fefa39efp-1 + log_weight;
    }
}

static bool NAME(group)(const rhm_bp *bp, const rhm_bp_group *group, void *workspace) {
    NAME(walk) w = {.bp = bp, .group = group, .leaves = group->masked || group->marginal, .whole = group->marginal};
    REAL *next = workspace;
    for (uint32_t level = 0; level <= bp->tree.levels; level++) {
        const size_t nodes = w.whole || level == 0 ? bp->tree.nodes[level] : bp->tree.branching[level];
        w.up[level] = next;
        next += level < bp->tree.levels || w.leaves ? nodes * bp->vocab[level] * RHM_BP_LANES : 0;
    }
    for (uint32_t level = 0; w.whole && level <= bp->tree.levels; level++) {
        w.down[level] = next;
        next += bp->tree.nodes[level] * bp->vocab[level] * RHM_BP_LANES;
    }
    for (size_t i = 0; i < RHM_BP_LANES; i++)
        w.lowest[i] = BIAS;
    NAME(climb)(&w, 0, 0);
    NAME(labels)(&w);
    if (group->marginal) {
        NAME(descend)(&w);
        for (uint32_t level = 0; level <= bp->tree.levels; level++)
            if (group->marginal[level])
                NAME(marginals)(&w, level, group->marginal[level]);
    }
    bool safe = true;
    for (size_t i = 0; i < RHM_BP_LANES; i++)
        safe = safe && w.lowest[i] > BIAS / 4;
    return safe;
}

#undef VEC
#undef UNITS
#undef EACH_UNIT
#undef REAL
#undef WORD
#undef BIAS
#undef MANTISSA
#undef WEIGHT
#undef NAME
