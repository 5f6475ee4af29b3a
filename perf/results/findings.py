"""What the pages say of an experiment: numbers from its tables, and sentences made of them."""
import math

import numpy as np


def rows_of(table):
    return [dict(zip(table["columns"], row)) for row in table["rows"]]


def grouped(rows, key, value):
    """{key(row): [value(row), ...]} in the order in which keys come first."""
    found = {}
    for row in rows:
        found.setdefault(key(row), []).append(value(row))
    return found


def means_of(rows, key, value, count=3):
    """The same with the mean of each."""
    return {name: digits(float(np.mean(values)), count) for name, values in grouped(rows, key, value).items()}


def without_nan(value):
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def digits(value, count=3):
    return None if value is None or not math.isfinite(value) else float(f"{value:.{count}g}")


def found(table):
    return [row for row in rows_of(table) if row["state"] == "found"]


def slope(points):
    """Least squares of log y on log x over (x, y): slope, its 95 % interval (Student), factor at x = 1."""
    from scipy import stats

    x, y = (np.log2([point[i] for point in points]) for i in (0, 1))
    fit = stats.linregress(x, y)
    half = stats.t.ppf(0.975, len(x) - 2) * fit.stderr if len(x) > 2 else math.nan
    return {"slope": digits(fit.slope), "low": digits(fit.slope - half), "high": digits(fit.slope + half), "factor": digits(2**fit.intercept),
            "points": len(points)}


def censored(table):
    return sum(row["state"] in ("above", "below") for row in rows_of(table))


def geometric_mean(values):
    return digits(math.exp(np.mean(np.log(values)))) if len(values) else None


def median(values):
    values = [value for value in values if value is not None]
    return digits(float(np.median(values)), 4) if values else None


# ---- one experiment each ---------------------------------------------------------------------------------------------------------

def by_rho(sweep):
    """(m, V m^L, 2 V m / rho^2, threshold) of each search that ended. With rho^2 = 2 m^-(L-1) the second and the third are the same."""
    rho = {(row["rules"], row["levels"], row["seed"]): row["rho"] for row in rows_of(sweep["grammars"])}
    return [(row["rules"], row["V_mL"], 2 * row["vocab"] * row["rules"] / rho[row["rules"], row["levels"], row["seed"]] ** 2, row["threshold"])
            for row in found(sweep["thresholds"])]


def by_number_of_rules(points):
    return {f"m = {m}": {"V m^L": slope([(x, y) for rules, x, _, y in points if rules == m]),
                         "2 V m / rho^2": slope([(x, y) for rules, _, x, y in points if rules == m])} for m in sorted({point[0] for point in points})}


def first_patch(sweeps):
    fits = {name: slope([(row["V_mL"], row["threshold"]) for row in found(sweep["thresholds"])]) for name, sweep in sweeps.items()}
    points = by_rho(sweeps["table"])
    against_rho, by_m = slope([point[2:] for point in points]), by_number_of_rules(points)
    own = by_rho(sweeps["layerwise_ids"])
    own_against_rho, own_by_m = slope([point[2:] for point in own]), by_number_of_rules(own)
    lost = sum(censored(sweep["thresholds"]) for sweep in sweeps.values())
    say = lambda fit: f"{fit['slope']} ({fit['low']} to {fit['high']})"
    each = lambda numbers, axis: ", ".join(f"{fits[axis]['slope']}" for fits in numbers.values())
    all_m = ", ".join(name.removeprefix("m = ") for name in by_m)
    return {"fits": fits, "against_rho": against_rho, "by_rules": by_m, "layerwise_ids_against_rho": own_against_rho, "layerwise_ids_by_rules": own_by_m,
            "censored": lost, "sentences": [
        f"The layerwise learner (regressions on first patches, ids between levels) needs samples like (V m^L)^x with x = {say(fits['layerwise_ids'])} over "
        f"{fits['layerwise_ids']['points']} grammars (V = 16, m = 2..16, L = 2..8), not 1: {each(own_by_m, 'V m^L')} at m = {all_m}; the table that counts the same patches has "
        f"x = {say(fits['table'])} over {fits['table']['points']}: {each(by_m, 'V m^L')}.",
        "The reason is rho, the distance of the closest two symbols, which falls faster than m^(-l/2) ([E4](E4.md)): against 2 V m / rho^2 with the exact rho of level L, "
        f"which is V m^L where rho^2 = 2 m^-(L-1), x is {say(own_against_rho)} for the layerwise learner ({each(own_by_m, '2 V m / rho^2')} at these m) and {say(against_rho)} for the "
        f"table ({each(by_m, '2 V m / rho^2')}); at m = 2 trainings pass before the closest symbols are told apart.",
        f"With automatic positions, which read several patches of a sequence where that tells more, x is {say(fits['layerwise_ids_auto'])} for the "
        f"layerwise learner ({fits['layerwise_ids_auto']['points']} grammars) and {say(fits['table_auto'])} for the table ({fits['table_auto']['points']}), at m = 8 and 16 only up to L = 5 and 4; "
        f"with embeddings between levels, as in the paper and too slow for more, x is {say(fits['layerwise'])} over {fits['layerwise']['points']} grammars of V = 8 and L up to 4, "
        f"{say(fits['layerwise_auto'])} with automatic positions.",
        f"Intervals are 95 % of a straight line through logarithms, of all m together; {lost} of {sum(len(sweep['thresholds']['rows']) for sweep in sweeps.values())} searches were "
        "censored by the largest or smallest size and are left out."]}


def by_rival(sweeps):
    """{"learner, L = l, m = m": thresholds, a number for each grammar; None: more than was tried}"""
    rows = [{"learner": name, **row} for name, sweep in sweeps.items() for row in rows_of(sweep["thresholds"])]
    return grouped(rows, lambda row: f"{row['learner']}, L = {row['depth']}, m = {row['rules']}",
                   lambda row: row["threshold"] if row["state"] == "found" else None)


def rivals(sweeps):
    numbers = by_rival(sweeps)
    means = {key: geometric_mean(values) for key, values in numbers.items() if None not in values}
    above = {key: sum(value is None for value in values) for key, values in numbers.items() if None in values}
    cross = {}
    for levels in (3, 6):
        mean = lambda learner, m: means.get(f"{learner}, L = {levels}, m = {m}") or math.inf
        better = [m for m in range(2, 9) if mean("latent", m) < mean("table", m) * levels]
        cross[f"L = {levels}"] = max(better) / 8 if better else None
    alike = {f"L = {row['levels']}, m = {row['rules']}, seed {row['seed']}": row["sibling_distance"] == 0
             for sweep in sweeps.values() if "grammars" in sweep for row in rows_of(sweep["grammars"])}
    lost = [(row["rules"] / 8, f"L = {row['depth']}, m = {row['rules']}, seed {row['seed']}") for sweep in sweeps.values() for row in rows_of(sweep["thresholds"])
            if row.get("learner") == "latent" and row["state"] == "above"]
    explained = sum(alike[name] for _, name in lost)
    shares = {f: (sum(other == f for other, _ in lost), sum(name.split(", ")[1] == f"m = {8 * f:.0f}" for name in alike)) for f in sorted({f for f, _ in lost})}
    get = lambda key: f"{means[key]:.0f}" if key in means else "no number of"
    return {"thresholds": means, "above": above, "latent_wins_up_to_f": cross, "latent_lost": len(lost), "siblings_alike": explained,
            "siblings_alike_but_found": sum(alike.values()) - explained, "sentences": [
        f"At V = 8, m = 4, L = 3 latent clustering needs {get('latent, L = 3, m = 4')} sequences in all, the table {get('table, L = 3, m = 4')} samples for each of three "
        f"levels, the layerwise learner {get('layerwise, L = 3, m = 4')}, one gradient step {get('one-step, L = 3, m = 4')}, a convolutional network (2025 protocol, width 64) "
        f"{get('cnn, L = 3, m = 4')} sequences; "
        + (f"random features of whole sequences {get('shallow, L = 3, m = 4')}." if "shallow, L = 3, m = 4" in means
           else "random features of whole sequences did not get there with 32 768."),
        "Counting the samples of all levels, latent clustering is ahead of the table on all grammars up to "
        + " and ".join(f"f = {f} at {levels}" if f is not None else f"no f at {levels}" for levels, f in cross.items()) + ".",
        f"Triangles are searches that found no sufficient size, {sum(above.values())} in all: {len(lost)} of them are of latent clustering, and {explained} of these have two symbols of a level "
        "with exactly the same law of siblings, so that no number of sequences would do (" + ", ".join(f"{n} of {of} grammars at f = {f}" for f, (n, of) in shares.items()) + ")."]}


def depth(sweeps):
    reached, seconds = {}, {}
    for name, sweep in sweeps.items():
        by_level = grouped(rows_of(sweep["cells"]), lambda row: row["depth"], lambda row: row["accuracy"])
        full = [level for level in sorted(by_level) if min(by_level[level]) >= 0.99]
        reached[name] = {"deepest_all_right": max(full) if full else None, "deepest_tried": max(by_level),
                         "accuracy_there": digits(float(np.mean(by_level[max(by_level)])), 4)}
        times = [row["train_seconds"] for row in rows_of(sweep["times"]) if row["levels"] == max(by_level)]
        seconds[name] = median(times)
    say = lambda name: f"{reached[name]['deepest_all_right']} of {reached[name]['deepest_tried']}"
    return {"reached": reached, "seconds_at_deepest": seconds, "sentences": [
        f"All grammars of a depth are read with accuracy .99 or more up to L = {say('table')} by the table, {say('latent')} by latent clustering from 4000 sequences, "
        f"{say('layerwise')} by the layerwise learner (V = 8, m = 4).",
        f"At the deepest the table has accuracy {reached['table']['accuracy_there']} on average, from counts of up to 10^15 samples a level, which are drawn from their exact law and not one by one.",
        f"Training takes {seconds['table']} s, {seconds['latent']} s and {seconds['layerwise']} s at the deepest of each, on one core; a sequence has 2^L tokens."]}


def rho_laws(laws):
    rows = rows_of(laws)
    one = [row for row in rows if row["positions"] == 1 and row["rule-sampling"] == "first-token-uniform"]
    slopes = {}
    for row in one:
        if row["rho_50"] and math.isfinite(row["rho_50"]):
            slopes.setdefault(f"V = {row['vocab']}, m = {row['rules']}", []).append((row["level"], row["rho_50"] * row["rules"] ** (row["level"] / 2)))
    per_level = {key: digits(float(np.polyfit([p[0] for p in points], np.log2([p[1] for p in points]), 1)[0])) for key, points in slopes.items() if len(points) > 2}
    below = sum(row["rho_25"] < (20 * row["rules"]) ** (-(row["level"] - 1) / 2) for row in one if math.isfinite(row["rho_25"]))
    deepest = max(row["level"] for row in rows)
    share = {f"{row['rule-sampling']}, V = {row['vocab']}, m = {row['rules']}, K = {row['positions']}": digits(row["share_failed"])
             for row in rows if row["level"] == deepest}
    mean = lambda sampling, k: digits(100 * float(np.mean([value for key, value in share.items() if key.startswith(sampling + ",") and key.endswith(f"K = {k}")])))
    grammars = rows[0]["grammars"]
    return {"log2_K_rho_per_level": per_level, "quartiles_below_proposition_19": int(below), "share_failed": share, "mean_percent_failed": {
        f"{sampling}, K = {k}": mean(sampling, k) for sampling in ("first-token-uniform", "uniform") for k in (1, 2, 4)}, "sentences": [
        f"K_rho = rho^(l) m^(l/2) is no constant: its median over {grammars} grammars changes by a factor 2^x a level with x from {min(per_level.values())} to {max(per_level.values())}, "
        "so rho falls faster than m^(-l/2), the more so the larger m and the smaller V.",
        f"Proposition 19's (20 m)^(-(l-1)/2) lies far below: the lower quartile of the grammars that can be told apart is under it at {below} of {len(one)} shapes and levels.",
        f"By L = {deepest} the first patch fails on {mean('first-token-uniform', 1)} % of the grammars on average (first-token-uniform rules) and on {mean('uniform', 1)} % (uniform); two positions side by "
        f"side leave {mean('first-token-uniform', 2)} % and {mean('uniform', 2)} %, four {mean('first-token-uniform', 4)} % and {mean('uniform', 4)} %."]}


def zipf(sweeps):
    thresholds = grouped(found(sweeps["thresholds"]["thresholds"]), lambda row: f"{row['learner']}, {row['rule-law']}", lambda row: row["threshold"])
    means = {key: geometric_mean(values) for key, values in thresholds.items()}
    gaps = means_of(rows_of(sweeps["bayes"]["cells"]), lambda row: f"{row['learner']}, {row['rule-law']}, noise {row['token-noise']}, N = {row['samples']}",
                    lambda row: row["bayes_accuracy"] - row["accuracy"])
    ratio = lambda learner: digits((means.get(f"{learner}, zipf:2") or math.nan) / (means.get(f"{learner}, uniform") or math.nan))
    worst = lambda samples: max(value for key, value in gaps.items() if f"noise 0, N = {samples}" in key)
    noisy = {key: value for key, value in gaps.items() if "noise 0.05, N = 64000" in key}
    return {"thresholds": means, "bayes_gap": gaps, "ratio_at_2": {learner: ratio(learner) for learner in ("table", "latent")},
            "censored": censored(sweeps["thresholds"]["thresholds"]), "sentences": [
        f"Where the r-th rule is as frequent as r^-2, the samples that are needed are those of uniform rules times {ratio('table')} for the table and times {ratio('latent')} for "
        "latent clustering (geometric means over five grammars, V = 8, m = 4, L = 3).",
        f"With 5 % token noise and 64 000 samples the gap to the Bayes accuracy is {min(noisy.values())} to {max(noisy.values())} over laws and learners: what a wrong token "
        "changes is not undone by tables of patches.",
        f"Without noise the largest mean gap is {worst(4000)} with 4000 samples and {worst(64000)} with 64 000."]}


def kinds_of_bandwidth(rows):
    """The two given ones apart: the printed is twice the corrected."""
    given = sorted({str(row["bandwidth"]) for row in rows if row["bandwidth"] != "auto"}, key=lambda text: -float(text.split(",")[0]))
    return {"auto": "auto", given[0]: "printed", given[1]: "corrected"}


def constants(sweeps):
    rows = rows_of(sweeps["width"]["cells"])
    kinds = kinds_of_bandwidth(rows)
    accuracy = means_of(rows, lambda row: f"bandwidth {kinds[str(row['bandwidth'])]}, ridge {row['ridge']}, M = {row['width']}", lambda row: row["accuracy"], 4)
    iterations = means_of(rows_of(sweeps["solver"]["levels"]), lambda row: f"{row['solver']}, residual {row['tolerance']}", lambda row: row["iterations"])
    get = lambda bandwidth, ridge, width: accuracy[f"bandwidth {bandwidth}, ridge {ridge}, M = {width}"]
    steps = lambda solver: iterations[f"{solver}, residual 0.0001"]
    return {"accuracy": accuracy, "iterations": iterations, "sentences": [
        f"With a ridge chosen from the data, M = 1024 gives accuracy {get('auto', 'auto', 1024)} at the automatic bandwidth, {get('printed', 'auto', 1024)} at the printed "
        f"and {get('corrected', 'auto', 1024)} at the corrected one of Lemma 10 (V = 8, m = 4, L = 3, 64 V m^l samples).",
        f"The paper's ridge 1/|P_l| gives {get('auto', 'paper', 1024)}, {get('printed', 'paper', 1024)} and {get('corrected', 'paper', 1024)} there, and "
        f"{get('auto', 'paper', 4096)}, {get('printed', 'paper', 4096)} and {get('corrected', 'paper', 4096)} at M = 4096: it needs the larger width.",
        f"To a residual of 1e-4 conjugate gradients take {steps('cg')} iterations a level, gradient descent {steps('gd')}, and with the paper's step {steps('gd-paper')}."]}


OF = {"E1": first_patch, "E2": rivals, "E3": depth, "E5": zipf, "E6": constants}


def of(document):
    if document["experiment"] == "E4":
        return rho_laws(document["laws"])
    return OF[document["experiment"]](document["sweeps"])
