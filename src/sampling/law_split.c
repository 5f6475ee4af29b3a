/* Splitting N samples a position by the law of its patch. */
#include "sampling/law.h"

typedef struct splitting {
    const rhm_law *law;
    uint64_t seed;
    uint32_t stream;
    uint64_t first_index; /* of the round */
    size_t position, label;
    size_t begin, end; /* places asked for */
    uint64_t *counts;
} splitting;

static uint64_t below(const splitting *s, const rhm_coin *coin, uint64_t n, size_t boundary) {
    return rhm_binomial(coin, n, s->seed, s->stream, s->first_index + boundary * s->law->classes + s->label);
}

/* Purposes and levels are in the bits below. */
enum { POSITION_SHIFT = 12 };

static splitting make_splitting(const rhm_law *law, const rhm_law_draw *draw, size_t position) {
    return (splitting){
        .position = position,
        .law = law,
        .seed = draw->seed,
        .stream = (draw->stream | RHM_DRAW_STREAM) + ((uint32_t)position << POSITION_SHIFT),
        .first_index = (uint64_t)draw->round << 48,
    };
}

static size_t middle(size_t begin, size_t end) {
    return begin + (end - begin) / 2;
}

static void split_symbols(const splitting *s, size_t begin, size_t end, uint64_t n, uint64_t *by_symbol) {
    const rhm_law_level *at = &s->law->at[s->law->level];
    const size_t symbols = rhm_grammar_shape(s->law->grammar)->vocab[s->law->level - 1];
    if (n == 0)
        return;
    if (end - begin == 1) {
        by_symbol[begin] = n;
        return;
    }
    const size_t mid = middle(begin, end);
    const uint64_t lower =
        below(s, &s->law->symbol[(s->position * s->law->classes + s->label) * symbols + mid], n, at->of_symbol[mid]);
    split_symbols(s, begin, mid, lower, by_symbol);
    split_symbols(s, mid, end, n - lower, by_symbol);
}

static void split_labels(splitting *s, size_t begin, size_t end, uint64_t n, uint64_t *by_symbol) {
    const size_t symbols = rhm_grammar_shape(s->law->grammar)->vocab[s->law->level - 1];
    if (n == 0)
        return;
    if (end - begin == 1) {
        s->label = begin;
        split_symbols(s, 0, symbols, n, by_symbol + begin * symbols);
        return;
    }
    const size_t mid = middle(begin, end);
    s->label = mid;
    const uint64_t lower = below(s, &s->law->label[s->position * s->law->classes + mid], n, 0);
    split_labels(s, begin, mid, lower, by_symbol);
    split_labels(s, mid, end, n - lower, by_symbol);
}

void rhm_law_split_samples(const rhm_law *law, const rhm_law_draw *draw, uint64_t samples, uint64_t *by_symbol) {
    const size_t symbols = rhm_grammar_shape(law->grammar)->vocab[law->level - 1];
    for (size_t i = 0; i < law->positions * law->classes * symbols; i++)
        by_symbol[i] = 0;
    for (size_t p = 0; p < law->positions; p++) {
        splitting s = make_splitting(law, draw, p);
        split_labels(&s, 0, law->classes, samples, by_symbol + p * law->classes * symbols);
    }
}

/* Of a place and the label in hand. */
static uint64_t *count_at(const splitting *s, size_t place) {
    return s->counts + ((place - s->begin) * s->law->positions + s->position) * s->law->classes + s->label;
}

static bool outside(const splitting *s, size_t begin, size_t end) {
    return end <= s->begin || begin >= s->end;
}

/* The children of a rule: child t has `derivations`, from `first` on, and `stride` places for each. */
typedef struct child {
    size_t first, derivations, stride;
} child;

/* Child t is at derivation begin..end-1; those before it are settled, those after it are at their first: `place`. */
static void split_child(const splitting *s, const child *children, uint32_t t, size_t place, size_t begin, size_t end,
                        uint64_t n) {
    const child *c = &children[t];
    if (n == 0 || outside(s, place + begin * c->stride, place + end * c->stride))
        return;
    if (end - begin > 1) {
        const size_t mid = middle(begin, end);
        const uint64_t lower = below(s, &s->law->child[c->first + mid], n, place + mid * c->stride);
        split_child(s, children, t, place, begin, mid, lower);
        split_child(s, children, t, place, mid, end, n - lower);
    } else if (t + 1 < s->law->tree.branching[s->law->level]) {
        split_child(s, children, t + 1, place + begin * c->stride, 0, children[t + 1].derivations, n);
    } else {
        *count_at(s, place + begin) = n;
    }
}

static void split_chosen(const splitting *s, size_t begin, size_t end, uint64_t n) {
    if (n == 0 || outside(s, begin, end))
        return;
    if (end - begin == 1) {
        *count_at(s, begin) = n;
        return;
    }
    const size_t mid = middle(begin, end);
    const uint64_t lower = below(s, &s->law->child[mid], n, mid);
    split_chosen(s, begin, mid, lower);
    split_chosen(s, mid, end, n - lower);
}

static void split_rule(const splitting *s, size_t rule, uint64_t n) {
    const rhm_law *law = s->law;
    const size_t place = law->at[law->level].of_rule[rule];
    if (law->chosen) {
        split_chosen(s, place, law->at[law->level].of_rule[rule + 1], n);
        return;
    }
    if (law->level == law->tree.levels) {
        *count_at(s, place) = n;
        return;
    }
    const uint32_t branching = law->tree.branching[law->level];
    const uint32_t *symbols = rhm_grammar_patches(law->grammar, law->level) + rule * branching;
    const uint32_t *of_symbol = law->at[law->level + 1].of_symbol;
    child children[RHM_MAX_BRANCHING];
    size_t stride = 1;
    for (uint32_t t = branching; t-- > 0;) {
        const size_t derivations = of_symbol[symbols[t] + 1] - of_symbol[symbols[t]];
        children[t] = (child){of_symbol[symbols[t]], derivations, stride};
        stride *= derivations;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): a patch has a symbol */
    split_child(s, children, 0, place, 0, children[0].derivations, n);
}

static void split_rules(const splitting *s, size_t begin, size_t end, uint64_t n) {
    const uint32_t *of_rule = s->law->at[s->law->level].of_rule;
    if (n == 0 || outside(s, of_rule[begin], of_rule[end]))
        return;
    if (end - begin == 1) {
        split_rule(s, begin, n);
        return;
    }
    const size_t mid = middle(begin, end);
    const uint64_t lower = below(s, &s->law->rule[mid], n, of_rule[mid]);
    split_rules(s, begin, mid, lower);
    split_rules(s, mid, end, n - lower);
}

void rhm_law_split_places(const rhm_law *law, const rhm_law_draw *draw, const uint64_t *by_symbol, size_t begin,
                          size_t end, uint64_t *counts) {
    const rhm_shape *shape = rhm_grammar_shape(law->grammar);
    const size_t symbols = shape->vocab[law->level - 1], rules = shape->rules[law->level];
    const uint32_t *of_symbol = law->at[law->level].of_symbol;
    for (size_t p = 0; p < law->positions; p++, by_symbol += law->classes * symbols) {
        splitting s = make_splitting(law, draw, p);
        s.begin = begin;
        s.end = end;
        s.counts = counts;
        for (size_t symbol = 0; symbol < symbols; symbol++) {
            if (outside(&s, of_symbol[symbol], of_symbol[symbol + 1]))
                continue;
            for (s.label = 0; s.label < law->classes; s.label++)
                split_rules(&s, symbol * rules, (symbol + 1) * rules, by_symbol[s.label * symbols + symbol]);
        }
    }
}
